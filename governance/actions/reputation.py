"""Giving and taking reputation, once per happening, and taking some of it for every week without work."""

from contextlib import suppress
from datetime import datetime

from django.db import connection
from django.db.models.functions import Now

from governance.events import ReputationChanged
from governance.models import AgentStanding, ReputationEvent
from governance.scoring import ReputationKind, decay_of, fold, idle_weeks, is_restricted, level_of, points_for
from governance.selectors import active_policy, standing_of
from governance.views import StandingView
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid
from guildhall.kernel.reasons import reason_problems


class _Known(Exception):
    """This happening has given its points already."""


def apply_reputation(*, actor: Actor, agent: str, kind: ReputationKind, source: str, reason: str = "") -> StandingView:
    """Give `agent` (a reference such as `agent:mason`) the policy's points for `kind`.

    `source` is the id of what happened, such as an event's: the same source again changes nothing. Raises `Invalid` for
    an adjustment, which people make with `adjust_reputation`, and for decay.
    """
    if kind in (ReputationKind.ADJUSTED, ReputationKind.DECAY):
        raise Invalid("This is not a happening.", fields={"kind": ["Use adjust_reputation or decay_reputation."]})
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
    """Give or take `points` by hand, with the reason that the history will show.

    `source` is the id of the form or request, so that one sent twice counts once. Raises `Invalid`.
    """
    problems: dict[str, list[str]] = {}
    if wrong := reason_problems(reason):
        problems["reason"] = wrong
    if not 1 <= len(source) <= 200:
        problems["source"] = ["Give an id of at most 200 characters."]
    if points == 0 or abs(points) > 200:
        problems["points"] = ["Give between -200 and 200 points, not 0."]
    if problems:
        raise Invalid("The reputation cannot be adjusted like this.", fields=problems)
    try:
        _add(actor, agent, ReputationKind.ADJUSTED, points, source, reason.strip())
    except _Known:
        raise Invalid("This adjustment was made already.", fields={"source": ["Used before."]}) from None
    return standing_of(agent)


def give_back(*, actor: Actor, agent: str, kind: ReputationKind, source: str, reason: str) -> None:
    """Give or take again what `source` has cost or brought by mistake. Once; nothing where it changed nothing."""
    given = ReputationEvent.objects.filter(agent=agent, kind=kind, source=source).first()
    if given is not None and given.points:
        with suppress(_Known):
            _give_back(actor=actor, agent=agent, points=-given.points, source=f"{source}:back", reason=reason)


@governed("reputation.give_back", lock=None)
def _give_back(*, actor: Actor, agent: str, points: int, source: str, reason: str) -> None:
    _add(actor, agent, ReputationKind.ADJUSTED, points, source, reason)


def decay_reputation(*, actor: Actor, agent: str, idle_since: datetime) -> int:
    """Take from `agent`, which has done nothing since `idle_since`, what each whole week of that costs.

    A person's adjustment or another event since then begins the count anew. Each week is one event and counts once,
    however often this is asked; weeks that were missed are made up for. How many weeks were taken now.
    """
    idle_since = max(idle_since, _last_event(agent) or idle_since)
    taken, start = 0, f"idle:{idle_since.isoformat()}:"
    counted = ReputationEvent.objects.filter(agent=agent, kind=ReputationKind.DECAY, source__startswith=start).count()
    for week in range(counted + 1, idle_weeks(idle_since, _now()) + 1):
        source = f"{start}{week}"
        if decay_of(standing_of(agent).score) == 0:
            break
        with suppress(_Known):
            _decay(actor=actor, agent=agent, source=source, week=week)
            taken += 1
    return taken


@governed("reputation.decay", lock=None)
def _decay(*, actor: Actor, agent: str, source: str, week: int) -> None:
    reason = f"{week} week{'s' if week > 1 else ''} without work"
    points = decay_of(_standing(agent).score)
    if points == 0:
        raise _Known
    _add(actor, agent, ReputationKind.DECAY, points, source, reason)


def _last_event(agent: str) -> datetime | None:
    rows = ReputationEvent.objects.filter(agent=agent).exclude(kind=ReputationKind.DECAY)
    return rows.order_by("-id").values_list("at", flat=True).first()


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone() or (None,)
    assert isinstance(now, datetime), "a SELECT without FROM gives one row"
    return now


def _standing(agent: str) -> AgentStanding:
    """The agent's standing, locked: this puts its events into the order of their ids, so that a replay folds the same."""
    AgentStanding.objects.get_or_create(agent=agent)
    return AgentStanding.objects.select_for_update().get(agent=agent)


def _add(actor: Actor, agent: str, kind: ReputationKind, points: int, source: str, reason: str) -> None:
    standing = _standing(agent)
    if ReputationEvent.objects.filter(agent=agent, kind=kind, source=source).exists():
        raise _Known
    ReputationEvent.objects.create(
        agent=agent, kind=kind, points=points, reason=reason[:300], source=source, given_by=actor.ref
    )
    before, standing.score = standing.score, fold([points], standing.score)
    standing.updated_at = Now()
    standing.save(update_fields=["score", "updated_at"])
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
