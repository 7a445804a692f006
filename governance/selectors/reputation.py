from collections.abc import Collection
from datetime import UTC, date, timedelta

from django.db.models import Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from governance.events import ReputationChanged
from governance.models import AgentStanding, ReputationEvent
from governance.scoring import START, fold, is_restricted, level_of
from governance.views import ReputationChange, StandingView
from guildhall.evidence.selectors import all_events


def _view(agent: str, score: int) -> StandingView:
    return StandingView(agent, score, level_of(score), is_restricted(score))


def _change(row: ReputationEvent) -> ReputationChange:
    return ReputationChange(row.pk, row.agent, row.kind, row.points, row.reason, row.source, row.given_by, row.at)


def standing_of(agent: str) -> StandingView:
    """The reputation of `agent` (a reference such as `agent:mason`); one that nothing is known of starts at 100."""
    score = AgentStanding.objects.filter(agent=agent).values_list("score", flat=True).first()
    return _view(agent, START if score is None else score)


def standings() -> list[StandingView]:
    """All agents that have a history, best first."""
    rows = AgentStanding.objects.order_by("-score", "agent").values_list("agent", "score")
    return [_view(agent, score) for agent, score in rows]


class Standings(dict[str, StandingView]):
    """Reputation by the agent's reference; one that nothing is known of starts at 100."""

    def __missing__(self, agent: str) -> StandingView:
        return _view(agent, START)


def all_standings() -> Standings:
    """The reputation of every agent, from one query."""
    return Standings((view.agent, view) for view in standings())


def replayed_score(agent: str) -> int:
    """The score that the stored events fold into; it equals the standing's."""
    return fold(ReputationEvent.objects.filter(agent=agent).order_by("id").values_list("points", flat=True))


def reputation_history(agent: str, *, limit: int = 100) -> list[dict[str, object]]:
    """The newest events of `agent`: kind, points, reason, who gave them, when."""
    rows = ReputationEvent.objects.filter(agent=agent).order_by("-id")[:limit]
    return [dict(row) for row in rows.values("id", "kind", "points", "reason", "source", "given_by", "at")]


def streamed_scores() -> dict[str, int]:
    """The score of every agent by the tenant's event stream alone: what is left if the tables of reputation are lost."""
    points: dict[str, list[int]] = {}
    for event in all_events([ReputationChanged.kind]):
        points.setdefault(event["subject"], []).append(event["payload"]["points"])
    return {agent: fold(given) for agent, given in points.items()}


def recent_changes(*, limit: int = 8) -> list[ReputationChange]:
    """The newest changes of all agents."""
    return [_change(row) for row in ReputationEvent.objects.order_by("-id")[:limit]]


def history_of(agent: str, *, before: int | None = None, limit: int = 30) -> list[ReputationChange]:
    """The newest changes of `agent`; older than the change with the id `before` where given."""
    rows = ReputationEvent.objects.filter(agent=agent).order_by("-id")
    return [_change(row) for row in (rows if before is None else rows.filter(id__lt=before))[:limit]]


def trends(agents: Collection[str], *, days: int = 30) -> dict[str, list[int]]:
    """Scores at the end of each of the last `days` days (UTC) up to now, by agent; one query.

    Told backwards from the present score, so a long history costs nothing; at the floor of 0 the past is its lowest
    possible.
    """
    since = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    given: dict[str, dict[date, int]] = {}
    rows = (
        ReputationEvent.objects.filter(agent__in=agents, at__gte=since)
        .annotate(day=TruncDate("at", tzinfo=UTC))
        .values("agent", "day")
        .annotate(total=Sum("points"))
        .order_by("agent", "day")
    )
    for row in rows:
        given.setdefault(row["agent"], {})[row["day"]] = row["total"]
    present = dict(AgentStanding.objects.filter(agent__in=agents).values_list("agent", "score"))
    told = {}
    for agent in agents:
        score, line = present.get(agent, START), []
        for back in range(days):
            line.append(max(0, score))
            score -= given.get(agent, {}).get((since + timedelta(days=days - 1 - back)).date(), 0)
        told[agent] = line[::-1]
    return told
