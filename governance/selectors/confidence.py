"""How sure agents were, and how right that was."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from governance.confidence import Calibration, Sample, calibrate
from governance.models import Assessment
from governance.selectors.lists import refuse_outsider
from guildhall.kernel.actor import Actor

MOST_SAMPLES = 20_000


@dataclass(frozen=True, slots=True)
class AssessmentView:
    """One assessment as other rooms see it."""

    id: int
    effect: str
    subject: str
    key: str
    agent: str
    run: str
    components: Mapping[str, Decimal]
    formula: int
    score: Decimal
    threshold: Decimal
    halted: bool
    reasons: tuple[str, ...]
    policy_version: int
    made_at: datetime
    agreed: bool | None


def assessment_view(row: Assessment) -> AssessmentView:
    return AssessmentView(
        id=row.pk,
        effect=row.effect,
        subject=row.subject,
        key=row.key,
        agent=row.agent,
        run=row.run,
        components={name: Decimal(value) for name, value in row.components.items()},
        formula=row.formula,
        score=row.score,
        threshold=row.threshold,
        halted=row.halted,
        reasons=tuple(row.reasons),
        policy_version=row.policy_version,
        made_at=row.made_at,
        agreed=row.agreed,
    )


def assessment_of(*, effect: str, subject: str, key: str) -> AssessmentView | None:
    """The assessment of exactly this effect, for the platform's own use."""
    row = Assessment.objects.filter(effect=effect, subject=subject, key=key).first()
    return assessment_view(row) if row else None


def latest_assessment(*, subject: str = "", run: str = "", effect: str = "", key: str = "") -> AssessmentView | None:
    """The newest assessment about a subject, of a run, of a kind of effect, or of a key, where these are given."""
    given = (("subject", subject), ("run", run), ("effect", effect), ("key", key))
    wanted = {name: value for name, value in given if value}
    row = Assessment.objects.filter(**wanted).order_by("-id").first()
    return assessment_view(row) if row else None


def scores_of(keys: Collection[str]) -> dict[str, Decimal]:
    """The confidence by key (a commit), for the platform's own use; the newest where there are several."""
    return dict(Assessment.objects.filter(key__in=keys).order_by("id").values_list("key", "score"))


def scores_of_calls(runs: Collection[str]) -> dict[tuple[str, str], Decimal]:
    """The confidence in single calls by run and step, for the platform's own use."""
    rows = Assessment.objects.filter(subject__in=runs).values_list("subject", "key", "score")
    return {(run, step): score for run, step, score in rows}


def assessments_visible_to(actor: Actor) -> QuerySet[Assessment]:
    """All assessments, newest first. Raises `Denied` for clients."""
    refuse_outsider(actor)
    return Assessment.objects.order_by("-id")


def calibration_of(actor: Actor, *, agent: str = "") -> Calibration:
    """How right the confidence of the newest assessments was, of one agent where given. Raises `Denied` for clients."""
    rows = assessments_visible_to(actor)
    if agent:
        rows = rows.filter(agent=agent)
    listed = rows.values_list("score", "halted", "agreed")[:MOST_SAMPLES]
    return calibrate([Sample(score, halted, agreed) for score, halted, agreed in listed])
