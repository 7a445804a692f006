"""Violations: written down once each, judged by people; what was none gives its points back."""

from dataclasses import dataclass

from django.db.models.functions import Now

from governance.models import Violation
from governance.models.violations import ViolationEffect as ViolationEffect
from governance.models.violations import ViolationKind as ViolationKind
from governance.models.violations import ViolationVerdict
from governance.violation_events import ViolationJudged, ViolationRecorded
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid

NOTE_LEAST = 10
EXCERPT = 2000


@dataclass(frozen=True, slots=True)
class Breach:
    """What was seen. `source` names the happening: the same one again is the same violation.

    `kind` and `effect` are values of `ViolationKind` and `ViolationEffect`; `agent`, `subject` (a run's) and `story` are
    references; `rule` is the pattern or its name; `stops` says that the rule ends the run.
    """

    kind: str
    effect: str
    what: str
    agent: str
    subject: str
    source: str
    rule: str = ""
    excerpt: str = ""
    story: str = ""
    stops: bool = False


def report_violation(*, actor: Actor, breach: Breach) -> None:
    """Write `breach` down, once. Its event lowers the agent's reputation."""
    if not Violation.objects.filter(source=breach.source).exists():
        _record(actor=actor, breach=breach)


@governed("violation.record", lock=None)
def _record(*, actor: Actor, breach: Breach) -> None:
    row = Violation.objects.create(
        kind=breach.kind,
        effect=breach.effect,
        rule=breach.rule[:300],
        what=breach.what[:500],
        excerpt=breach.excerpt[:EXCERPT],
        agent=breach.agent,
        subject=breach.subject,
        story=breach.story,
        stops=breach.stops,
        source=breach.source,
    )
    event = ViolationRecorded(
        subject=row.ref,
        number=row.pk,
        violation_kind=row.kind,
        effect=row.effect,
        agent=row.agent,
        about=row.subject,
        rule=row.rule,
        what=row.what,
    )
    record(event, actor=actor, reason=row.what)


@governed("violation.judge", lock="violation")
def judge_violation(*, actor: Actor, violation: Violation, verdict: str, note: str = "") -> Violation:
    """Say what a violation was: acknowledged, or a false positive with the reason, which gives the points back.

    Raises `Invalid`, and `Conflict` when somebody has said so already.
    """
    wanted = (ViolationVerdict.ACKNOWLEDGED, ViolationVerdict.FALSE_POSITIVE)
    problems: dict[str, list[str]] = {}
    if verdict not in wanted:
        problems["verdict"] = [f"Choose one of {', '.join(wanted)}."]
    elif verdict == ViolationVerdict.FALSE_POSITIVE and len(note.strip()) < NOTE_LEAST:
        problems["note"] = [f"Say in at least {NOTE_LEAST} characters why it broke no rule."]
    if len(note) > 500:
        problems["note"] = ["At most 500 characters."]
    if problems:
        raise Invalid("This is no verdict.", fields=problems)
    if violation.verdict != ViolationVerdict.OPEN:
        raise Conflict(f"Violation #{violation.pk} is {violation.get_verdict_display().lower()} already.")
    violation.verdict, violation.note, violation.judged_by = verdict, note.strip(), actor.ref
    violation.save(update_fields=["verdict", "note", "judged_by"])
    Violation.objects.filter(pk=violation.pk).update(judged_at=Now())
    event = ViolationJudged(
        subject=violation.ref, number=violation.pk, verdict=verdict, agent=violation.agent, note=violation.note
    )
    record(event, actor=actor, before={"verdict": "open"}, after={"verdict": verdict}, reason=violation.note)
    return violation
