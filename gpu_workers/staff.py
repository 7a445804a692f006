"""Which agents may be given something to do."""

from django.db.models import Count, Q

from governance.autonomy import ActionClass, Autonomy, Environment, Risk, Verdict
from governance.selectors.autonomy import decide_for
from gpu_workers.models import Agent
from gpu_workers.models.run import OPEN, RunKind
from gpu_workers.runs.brief import DEFAULT_AUTONOMY
from workflows.models import Story

MAX_OPEN = 8
"""Open runs that one agent has at a time; sitting on councils does not count."""


def free_agents(role: str) -> list[Agent]:
    """Active agents of a role that have room for another run, the least busy first."""
    busy = Count("runs", filter=Q(runs__state__in=OPEN) & ~Q(runs__kind=RunKind.COUNCIL))
    agents = Agent.objects.filter(role=role, active=True).annotate(busy=busy).filter(busy__lt=MAX_OPEN)
    return list(agents.order_by("busy", "name"))


def may_act(agent: Agent, story: Story, risk: str) -> bool:
    """Whether the agent works here at all: not at L0, not while something is on hold or its strategy rests."""
    if story.strategy is not None and story.strategy.state != "active":
        return False
    decision = decide_for(
        agent.ref,
        ActionClass.READ,
        environment=Environment.WORKSPACE,
        strategy_level=autonomy_of(story),
        agent_cap=Autonomy(int(agent.autonomy_cap[1])),
        risk=Risk(risk),
        strategy=str(story.strategy.pk) if story.strategy else "",
    )
    return decision.verdict is not Verdict.REFUSE


def autonomy_of(story: Story) -> Autonomy:
    """The autonomy that the story's strategy gives."""
    return Autonomy(int((story.strategy.autonomy if story.strategy else DEFAULT_AUTONOMY)[1]))
