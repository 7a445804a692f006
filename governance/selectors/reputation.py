from governance.models import AgentStanding, ReputationEvent
from governance.scoring import START, fold, is_restricted, level_of
from governance.views import StandingView


def _view(agent: str, score: int) -> StandingView:
    return StandingView(agent, score, level_of(score), is_restricted(score))


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
