"""Keeping how sure an agent's effect was, before it is carried out, and what people said of it."""

from collections.abc import Mapping
from decimal import Decimal

from django.db.models.functions import Now

from governance.confidence import FORMULA, Component, confidence
from governance.confidence_events import ConfidenceAssessed, ConfidenceJudged
from governance.models import Assessment
from governance.selectors.confidence import AssessmentView, assessment_of, assessment_view
from governance.selectors.policy import active_policy
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict


def assess_effect(
    *, actor: Actor, effect: str, subject: str, key: str, agent: str, run: str, components: Mapping[Component, Decimal]
) -> AssessmentView:
    """The confidence in one effect of `agent`, computed once and kept: the same effect, subject and key give the same one.

    `halted` says that it is below the policy's threshold: then nothing may happen but a question.
    """
    known = assessment_of(effect=effect, subject=subject, key=key)
    if known is not None:
        return known
    row = Assessment(effect=effect, subject=subject, key=key, agent=agent, run=run)
    return assessment_view(_assess(actor=actor, row=row, components=components))


@governed("confidence.assess", lock=None)
def _assess(*, actor: Actor, row: Assessment, components: Mapping[Component, Decimal]) -> Assessment:
    policy = active_policy()
    found = confidence(components)
    row.components = {str(name): str(value) for name, value in components.items()}
    row.formula, row.score, row.threshold = FORMULA, found.score, policy.document.confidence.threshold
    row.halted = found.below(row.threshold)
    row.reasons, row.policy_version = list(found.reasons), policy.version
    row.save(force_insert=True)
    row.refresh_from_db()
    record(
        ConfidenceAssessed(
            subject=row.subject,
            assessment=row.pk,
            effect=row.effect,
            key=row.key,
            run=row.run,
            score=str(row.score),
            threshold=str(row.threshold),
            halted=row.halted,
            reasons=row.reasons,
        ),
        actor=actor,
        after={"components": row.components, "formula": row.formula, "score": str(row.score)},
    )
    return row


def judge_assessment(*, actor: Actor, key: str, agreed: bool, subject: str = "", run: str = "") -> None:
    """Write down, once, what people decided about what was assessed with `key`, for `subject` or by `run`.

    Nothing where nothing was assessed, or people decided about it before.
    """
    about = {"subject": subject} if subject else {"run": run}
    for row in Assessment.objects.filter(**about, key=key, agreed__isnull=True):
        _judge(actor=actor, assessment=row, agreed=agreed)


@governed("confidence.judge", lock="assessment")
def _judge(*, actor: Actor, assessment: Assessment, agreed: bool) -> None:
    if assessment.agreed is not None:
        raise Conflict(f"{assessment} has been judged.")
    Assessment.objects.filter(pk=assessment.pk).update(agreed=agreed, judged_at=Now())
    record(
        ConfidenceJudged(
            subject=assessment.subject, assessment=assessment.pk, score=str(assessment.score), agreed=agreed
        ),
        actor=actor,
        after={"agreed": agreed},
    )
