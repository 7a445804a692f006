"""Giving waiting work to agents: who claims what. Claiming is an action of the agent's own; its event makes the run."""

import logging

from django.db.models import Count, Q

from governance.autonomy import ActionClass, Autonomy, Environment, Risk, Verdict
from governance.selectors.autonomy import decide_for
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import OPEN, RunKind
from gpu_workers.runs.brief import DEFAULT_AUTONOMY
from gpu_workers.selectors import MAX_RUNS, given_up, retries_of, tries_of
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.errors import Conflict, Denied
from guildhall.kernel.tenancy import current_tenant
from workflows.actions import transition_task
from workflows.machines.story_table import READY_SCORE
from workflows.models import Story, Task

logger = logging.getLogger(__name__)
CLAIMS = {
    "todo": ("claim_task", RunKind.WORK),
    "pending_arch_review": ("claim_review", RunKind.REVIEW),
    "pending_qa": ("claim_testing", RunKind.TEST),
}
PARTS = {"implementer": RunKind.WORK, "reviewer": RunKind.REVIEW, "tester": RunKind.TEST}
MAX_OPEN = 8
"""Open runs that one agent has at a time."""


def dispatch() -> None:
    """Let agents claim what waits for their roles in the current tenant, and have stories planned that are ready."""
    waiting = Task.objects.filter(state__in=CLAIMS, holder="").select_related("story__strategy")
    for task in waiting.order_by("story__number", "rank")[:50]:
        _offer(task)
    for story in Story.objects.filter(state="ready_for_planning", dor_score__gte=READY_SCORE).select_related("project"):
        _have_planned(story)


def _offer(task: Task) -> None:
    act, kind = CLAIMS[task.state]
    if given_up(task.ref, kind):
        return
    role = {"claim_review": "architect", "claim_testing": "qa"}.get(act, task.role)
    part = next(part for part, of in PARTS.items() if of == kind)
    had = dict(task.parts.values_list("actor", "part"))
    for agent in _free_agents(role):
        if had.get(agent.ref, part) != part:
            continue
        if not _may_act(agent, task.story, task.risk):
            continue
        try:
            transition_task(actor=agent.actor(), task=task, name=act)
        except (Conflict, Denied) as refusal:
            logger.info("%s does not get %s: %s", agent.ref, task.reference, refusal.detail)
            continue
        return


def _free_agents(role: str) -> list[Agent]:
    busy = Count("runs", filter=Q(runs__state__in=OPEN))
    agents = Agent.objects.filter(role=role, active=True).annotate(busy=busy).filter(busy__lt=MAX_OPEN)
    return list(agents.order_by("busy", "name"))


def _may_act(agent: Agent, story: Story, risk: str) -> bool:
    """Whether the agent works here at all: not at L0, not while something is on hold."""
    autonomy = story.strategy.autonomy if story.strategy else DEFAULT_AUTONOMY
    decision = decide_for(
        agent.ref,
        ActionClass.READ,
        environment=Environment.WORKSPACE,
        strategy_level=Autonomy(int(autonomy[1])),
        agent_cap=Autonomy(int(agent.autonomy_cap[1])),
        risk=Risk(risk),
        strategy=str(story.strategy.pk) if story.strategy else "",
    )
    return decision.verdict is not Verdict.REFUSE


def _have_planned(story: Story) -> None:
    if given_up(story.ref, RunKind.PLAN) or story.derivations.filter(state="proposed").exists():
        return
    agent = next((a for a in _free_agents("planner") if _may_act(a, story, "low")), None)
    if agent is None:
        return
    new = NewRun(
        kind=RunKind.PLAN,
        subject=story.ref,
        story=story.ref,
        title=f"Plan {story.reference}",
        claim=f"{story.ref}:v{story.version}:{retries_of(story.ref, RunKind.PLAN)}",
        repository=story.project.repository,
        strategy=str(story.strategy.pk) if story.strategy else "",
    )
    _queue(agent, new)


def give_run(task: Task, agent_name: str, part: str, token: int) -> Run | None:
    """Queue the run of a claim that an agent holds; None when the claim has its run already or the task had too many."""
    agent = Agent.objects.filter(name=agent_name).first()
    kind = PARTS[part]
    if agent is None or len(tries_of(task.ref, kind)) >= MAX_RUNS:
        return None
    new = NewRun(
        kind=kind,
        subject=task.ref,
        story=task.story.ref,
        title=task.title,
        claim=f"{task.ref}:{token}",
        repository=task.repository_name,
        strategy=str(task.story.strategy.pk) if task.story.strategy else "",
    )
    return _queue(agent, new)


def _queue(agent: Agent, new: NewRun) -> Run | None:
    try:
        return queue_run(actor=dispatcher(), agent=agent, new=new)
    except Conflict:
        return None


def dispatcher() -> Actor:
    """The part of the platform that hands out work in the current tenant."""
    return system_actor("dispatcher", current_tenant())
