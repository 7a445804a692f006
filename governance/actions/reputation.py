"""Giving and taking reputation, once per happening."""

from contextlib import suppress

from governance.events import ReputationChanged
from governance.models import AgentStanding, ReputationEvent
from governance.scoring import ReputationKind, fold, is_restricted, level_of, points_for
from governance.selectors import active_policy, standing_of
from governance.views import StandingView
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid


class _Known(Exception):
    """This happening has given its points already."""


def apply_reputation(*, actor: Actor, agent: str, kind: ReputationKind, source: str, reason: str = "") -> StandingView:
    """Give `agent` (a reference such as `agent:mason`) the policy's points for `kind`.

    `source` is the id of what happened, such as an event's: the same source again changes nothing. Raises `Invalid` for
    an adjustment, which people make with `adjust_reputation`.
    """
    if kind == ReputationKind.ADJUSTED:
        raise Invalid("Adjustments are made by people.", fields={"kind": ["Use adjust_reputation."]})
    if ReputationEvent.objects.filter(agent=agent, kind=kind, source=source).exists():
        return standing_of(agent)
    weights = {str(name): points for name, points in active_policy().document.reputation.items()}
    points = points_for(kind, weights)
    with suppress(_Known):
        _give(actor=actor, agent=agent, kind=kind, points=points, source=source, reason=reason)
    return standing_of(agent)


@governed("reputation.apply", lock=None)
def _give(*, actor: Actor, agent: str, kind: ReputationKind, points: int, source: str, reason: str) -> None:
    _add(actor, agent, kind, points, source, reason)


@governed("reputation.adjust", lock=None)
def adjust_reputation(*, actor: Actor, agent: str, points: int, source: str, reason: str) -> StandingView:
    """Give or take `points` by hand, with the reason that the history will show. Raises `Invalid`."""
    problems: dict[str, list[str]] = {}
    if len(reason.strip()) < 10:
        problems["reason"] = ["Give a reason of at least 10 characters."]
    if points == 0 or abs(points) > 200:
        problems["points"] = ["Give between -200 and 200 points, not 0."]
    if problems:
        raise Invalid("The reputation cannot be adjusted like this.", fields=problems)
    try:
        _add(actor, agent, ReputationKind.ADJUSTED, points, source, reason.strip())
    except _Known:
        raise Invalid("This adjustment was made already.", fields={"source": ["Used before."]}) from None
    return standing_of(agent)


def _add(actor: Actor, agent: str, kind: ReputationKind, points: int, source: str, reason: str) -> None:
    # The standing's row lock puts events of one agent into the order of their ids, so that a replay folds the same.
    AgentStanding.objects.get_or_create(agent=agent)
    standing = AgentStanding.objects.select_for_update().get(agent=agent)
    if ReputationEvent.objects.filter(agent=agent, kind=kind, source=source).exists():
        raise _Known
    ReputationEvent.objects.create(
        agent=agent, kind=kind, points=points, reason=reason[:300], source=source, given_by=actor.ref
    )
    before, standing.score = standing.score, fold([points], standing.score)
    standing.save(update_fields=["score"])
    record(
        ReputationChanged(
            subject=agent,
            reason_kind=str(kind),
            points=points,
            score=standing.score,
            level=str(level_of(standing.score)),
            restricted=is_restricted(standing.score),
            reason=reason,
        ),
        actor=actor,
        before={"score": before},
        after={"score": standing.score},
        reason=reason,
    )
