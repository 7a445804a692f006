"""Giving waiting work to agents: who claims what. Claiming is an action of the agent's own; its event makes the run."""

import logging

from governance.actions.allowances import Limited, left_of
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.councils.convening import hold_councils
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import RunKind
from gpu_workers.selectors import MAX_RUNS, given_up, retries_of, tries_of
from gpu_workers.staff import free_agents, may_act
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.errors import Conflict, Denied, RateLimited
from guildhall.kernel.tenancy import current_tenant
from workflows.actions import transition_task
from workflows.machines.story_table import READY_SCORE
from workflows.models import Story, Task
from workflows.selectors.councils import missing_councils

logger = logging.getLogger(__name__)
CLAIMS = {
    "todo": ("claim_task", RunKind.WORK),
    "pending_arch_review": ("claim_review", RunKind.REVIEW),
    "pending_qa": ("claim_testing", RunKind.TEST),
}
PARTS = {"implementer": RunKind.WORK, "reviewer": RunKind.REVIEW, "tester": RunKind.TEST}


def dispatch() -> None:
    """Let agents claim what waits for their roles in the current tenant, and have stories planned that are ready.

    A story that has to wait for a council gets it; agents begin none of its tasks before that has decided.
    """
    try:
        left = left_of(Limited.AGENT_RUNS)
    except Denied as refusal:
        logger.info("nothing is handed out: %s", refusal.detail)
        return
    if not left:
        # What is claimed now would be held without a run until tomorrow.
        logger.info("no more runs begin today: the policy's limit is reached")
        return
    hold_councils()
    waiting = Task.objects.filter(state__in=CLAIMS, holder="").select_related("story__strategy")
    begun = waiting.filter(state="todo").values_list("story", flat=True).distinct()
    waiting = waiting.exclude(state="todo", story__in=list(missing_councils(begun)))
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
    for agent in free_agents(role):
        if had.get(agent.ref, part) != part:
            continue
        if not may_act(agent, task.story, task.risk):
            continue
        try:
            transition_task(actor=agent.actor(), task=task, name=act)
        except (Conflict, Denied) as refusal:
            logger.info("%s does not get %s: %s", agent.ref, task.reference, refusal.detail)
            continue
        return


def _have_planned(story: Story) -> None:
    if given_up(story.ref, RunKind.PLAN) or story.derivations.filter(state="proposed").exists():
        return
    planners = (agent for agent in free_agents("planner") if agent.kind == "planner")
    agent = next((planner for planner in planners if may_act(planner, story, "low")), None)
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
    except (Conflict, RateLimited):
        return None


def dispatcher() -> Actor:
    """The part of the platform that hands out work in the current tenant."""
    return system_actor("dispatcher", current_tenant())
