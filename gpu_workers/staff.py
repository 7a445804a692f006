"""Which agents may be given something to do, and which have done nothing for a while."""

from datetime import datetime

from django.db.models import Count, Exists, Max, OuterRef, Q
from django.db.models.functions import Coalesce, Greatest

from governance.autonomy import ActionClass, Autonomy, Environment, Risk, Verdict
from governance.scopes import ScopeKind
from governance.selectors import budgets
from governance.selectors.autonomy import decide_for
from governance.selectors.ledger import last_calls
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import OPEN, RunKind
from gpu_workers.runs.brief import DEFAULT_AUTONOMY
from workflows.models import Story

MAX_OPEN = 8
"""Open runs that one agent has at a time; sitting on councils does not count."""


def free_agents(role: str) -> list[Agent]:
    """Active agents of a role that have room for another run, the least busy first; last those whose own limit is used up."""
    busy = Count("runs", filter=Q(runs__state__in=OPEN) & ~Q(runs__kind=RunKind.COUNCIL))
    agents = Agent.objects.filter(role=role, active=True).annotate(busy=busy).filter(busy__lt=MAX_OPEN)
    spent = {limit.scope_id for limit in budgets(kind=ScopeKind.AGENT) if not limit.left}
    return sorted(agents.order_by("busy", "name"), key=lambda agent: agent.name in spent)


def may_act(agent: Agent, story: Story | None, risk: str) -> bool:
    """Whether the agent works here at all: not at L0, not while something is on hold or its strategy rests.

    What belongs to no story, as triages and proposals do, is under the autonomy of one without a strategy.
    """
    if story is not None and story.strategy is not None and story.strategy.state != "active":
        return False
    return _verdict(agent, story, risk, ActionClass.READ) is not Verdict.REFUSE


def drafts_unasked(agent: Agent, story: Story) -> bool:
    """Whether what the agent drafts for the story stands without a question: from L2 on, and not while it is restricted."""
    return _verdict(agent, story, Risk.LOW, ActionClass.WRITE_WORKSPACE) is Verdict.ALLOW


def _verdict(agent: Agent, story: Story | None, risk: str, action: ActionClass) -> Verdict:
    return decide_for(
        agent.ref,
        action,
        environment=Environment.WORKSPACE,
        strategy_level=autonomy_of(story),
        agent_cap=Autonomy(int(agent.autonomy_cap[1])),
        risk=Risk(risk),
        strategy=str(story.strategy.pk) if story and story.strategy else "",
    ).verdict


def autonomy_of(story: Story | None) -> Autonomy:
    """The autonomy that the story's strategy gives."""
    strategy = story.strategy if story else None
    return Autonomy(int((strategy.autonomy if strategy else DEFAULT_AUTONOMY)[1]))


def idle_agents() -> list[tuple[str, datetime]]:
    """Active agents (their references) without an open run, and since when.

    They worked last when they began or ended a run or paid for a call, as on a council; before that, they were registered.
    """
    open_ = Run.objects.filter(agent=OuterRef("pk"), state__in=OPEN)
    last = Greatest(
        "created_at", Coalesce(Max("runs__created_at"), "created_at"), Coalesce(Max("runs__ended_at"), "created_at")
    )
    idle = Agent.objects.filter(~Exists(open_), active=True).annotate(last=last).order_by("name")
    calls = last_calls()
    return [(agent.ref, max(agent.last, calls.get(agent.ref, agent.last))) for agent in idle]
