"""Giving waiting work to agents: who claims what. Claiming is an action of the agent's own; its event makes the run."""

import logging
from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Concat

from governance.actions.allowances import Limited, left_of
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.councils.convening import hold_councils
from gpu_workers.handing_out import offer_proposals, offer_triages
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import GIVEN_UP, OPEN, RunKind
from gpu_workers.selectors import MAX_RUNS, given_up, retries_of, state_of_last, tries_of
from gpu_workers.staff import free_agents, may_act
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.errors import Conflict, Denied, RateLimited
from guildhall.kernel.tenancy import current_tenant
from workflows.actions import transition_task
from workflows.machines.story_table import READY_SCORE
from workflows.models import Story, Task
from workflows.selectors.councils import missing_councils
from workflows.selectors.lists import claimable

logger = logging.getLogger(__name__)
CLAIMS = {
    "todo": ("claim_task", RunKind.WORK),
    "pending_arch_review": ("claim_review", RunKind.REVIEW),
    "pending_qa": ("claim_testing", RunKind.TEST),
}
PARTS = {"implementer": RunKind.WORK, "reviewer": RunKind.REVIEW, "tester": RunKind.TEST}
AT_ONCE = 50
"""Tasks that are handed out in one go; the rest goes with the next event. Also how many are read at a time."""
Row = TypeVar("Row", Task, Story)


def dispatch() -> None:
    """Let agents claim what waits for their roles in the current tenant, and have stories planned that are ready.

    A story that has to wait for a council gets it; agents begin none of its tasks before that has decided. Triages and
    proposals that people want are handed out too: none may have been free when they asked.
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
    _hand_out_tasks()
    _have_stories_planned()
    offer_triages(dispatcher())
    offer_proposals(dispatcher())


def _hand_out_tasks() -> None:
    """Every waiting task is come to, whatever those before it are refused for: none keeps another waiting."""
    free = cache(free_agents)
    allowed: dict[tuple[int, int | None, str], bool] = {}

    def takers(task: Task, role: str, part: str) -> Iterator[Agent]:
        had = {row.actor: row.part for row in task.parts.all()}
        for agent in free(role):
            key = (agent.pk, task.story.strategy_id, task.risk)
            if key not in allowed:
                allowed[key] = may_act(agent, task.story, task.risk)
            if allowed[key] and had.get(agent.ref, part) == part:
                yield agent

    given = 0
    for page in _pages(_waiting_tasks(), "story__number", "story_id", "rank"):
        held = missing_councils(task.story_id for task in page if task.state == "todo")
        for task in page:
            if not (task.state == "todo" and task.story_id in held):
                given += _offer(task, takers)
            if given == AT_ONCE:
                return


def _waiting_tasks() -> QuerySet[Task]:
    """What nobody has claimed and agents have not given up on. A claim beside an open run of an ended one would get no run of
    its own."""
    kind = Case(*(When(state=state, then=Value(kind)) for state, (_, kind) in CLAIMS.items()))
    active = Q(story__strategy=None) | Q(story__strategy__state="active")
    tasks = claimable().filter(active).alias(run_kind=kind)
    wanted = tasks.alias(last_run=state_of_last(OuterRef("run_kind"), "task:")).exclude(last_run__in=[*GIVEN_UP, *OPEN])
    return wanted.select_related("story__strategy").prefetch_related("parts")


def _pages(rows: QuerySet[Row], *columns: str) -> Iterator[list[Row]]:
    """All of `rows` in the order of these columns, some at a time, as they are when their turn comes."""
    keys, after = (*columns, "pk"), Q()
    while page := list(rows.filter(after).order_by(*keys)[:AT_ONCE]):
        yield page
        after = _beyond(page[-1], keys)


def _beyond(row: Task | Story, keys: tuple[str, ...]) -> Q:
    """What comes after `row` in the order of these columns."""
    beyond, same = Q(), dict[str, Any]()
    for key in keys:
        value = attrgetter(key.replace("__", "."))(row)
        beyond |= Q(**same, **{f"{key}__gt": value})
        same[key] = value
    return beyond


def _offer(task: Task, takers: Callable[[Task, str, str], Iterator[Agent]]) -> bool:
    """Whether an agent took it."""
    act, kind = CLAIMS[task.state]
    role = {"claim_review": "architect", "claim_testing": "qa"}.get(act, task.role)
    part = next(part for part, of in PARTS.items() if of == kind)
    for agent in takers(task, role, part):
        if given_up(task.ref, kind):
            return False
        try:
            transition_task(actor=agent.actor(), task=task, name=act)
        except (Conflict, Denied) as refusal:
            logger.info("%s does not get %s: %s", agent.ref, task.reference, refusal.detail)
            continue
        return True
    return False


def _have_stories_planned() -> None:
    """As many as there are planners free for; one that none of them may plan keeps no other waiting.

    Who is free is asked once, and again after each run that was given to somebody.
    """
    planners = _free_planners()
    for page in _pages(_unplanned_stories(), "number", "project_id"):
        for story in page:
            if not planners:
                return
            if not given_up(story.ref, RunKind.PLAN) and _have_planned(story, planners):
                planners = _free_planners()


def _free_planners() -> list[Agent]:
    return [agent for agent in free_agents("planner") if agent.kind == "planner"]


def _unplanned_stories() -> QuerySet[Story]:
    active = Q(strategy=None) | Q(strategy__state="active")
    ready = Story.objects.filter(active, state="ready_for_planning", dor_score__gte=READY_SCORE)
    begun = Run.objects.filter(subject=Concat(Value("story:"), OuterRef("reference")), kind=RunKind.PLAN)
    unbegun = ready.exclude(derivations__state="proposed").exclude(Exists(begun.filter(state__in=OPEN)))
    wanted = unbegun.alias(last_run=state_of_last(RunKind.PLAN, "story:")).exclude(last_run__in=GIVEN_UP)
    return wanted.select_related("project", "strategy")


def _have_planned(story: Story, planners: list[Agent]) -> bool:
    """Whether one of them got the run."""
    agent = next((planner for planner in planners if may_act(planner, story, "low")), None)
    if agent is None:
        return False
    new = NewRun(
        kind=RunKind.PLAN,
        subject=story.ref,
        story=story.ref,
        title=f"Plan {story.reference}",
        claim=f"{story.ref}:v{story.version}:{retries_of(story.ref, RunKind.PLAN)}",
        repository=story.project.repository,
        strategy=str(story.strategy.pk) if story.strategy else "",
    )
    return _queue(agent, new) is not None


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
