"""Rows as the machines' facts."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from governance.scopes import ScopeKind
from governance.selectors import budgets
from guildhall.kernel.actor import Actor
from workflows.machines import EXECUTING, TASK, StoryFacts, TaskFacts, TaskLine, Who
from workflows.machines.task_effects import retired
from workflows.models import Story, StoryDependency, Task, TaskDependency
from workflows.planning import Standing, find_cycle

FINISHED = ("done", "cancelled")
DELIVERED = ("accepted", "done", "archived")
"""States of a story in which what needs it waits for it no more."""
WAITING = ("planned", "carry_over")
"""States from which a story enters a sprint."""


def who_is(actor: Actor) -> Who:
    """The actor as the machines see it."""
    return Who(ref=actor.ref, kind=str(actor.kind), roles=actor.roles)


def task_facts(task: Task) -> TaskFacts:
    """Facts of a task as committed; whether its lease lives is the database's word."""
    lives = ExpressionWrapper(Q(lease_until__gt=Now()), output_field=BooleanField())
    live = Task.objects.filter(pk=task.pk, lease_until__isnull=False).annotate(lives=lives)
    return TaskFacts(
        state=task.state,
        story_state=task.story.state,
        waits_for=(*_unfinished(task), *_undelivered(task)),
        parts=dict(task.parts.values_list("actor", "part")),
        implementer=task.implementer,
        reviewer=task.reviewer,
        tester=task.tester,
        holder=task.holder,
        lease_live=bool(live.values_list("lives", flat=True).first()),
        commit_sha=task.commit_sha,
        rejected_sha=task.rejected_sha,
        earlier_shas=frozenset(task.handed_in),
        approved=task.approved_not_executed,
    )


def _unfinished(task: Task) -> QuerySet[TaskDependency, str]:
    """Tasks that this one depends on and that are still to be done, by reference."""
    waits = task.dependencies.exclude(needs__state__in=FINISHED).order_by("needs__number")
    return waits.values_list("needs__reference", flat=True)


def _undelivered(task: Task) -> Iterable[str]:
    """Stories that its own needs done first and that are not accepted, by reference; asked of what nobody has begun."""
    if task.state != TASK.initial:
        return ()
    waits = StoryDependency.objects.filter(story=task.story_id).exclude(needs__state__in=DELIVERED)
    return waits.order_by("needs__number").values_list("needs__reference", flat=True)


def story_facts(story: Story, tasks: Sequence[Task] | None = None) -> StoryFacts:
    """Facts of a story with its tasks."""
    rows = list(story.tasks.all()) if tasks is None else tasks
    return StoryFacts(
        state=story.state,
        dor_score=story.dor_score,
        tasks=tuple(TaskLine(task.reference, task.state, bool(task.merged_sha)) for task in rows),
        cycle=task_cycle(story),
        budget_refusal=budget_refusal(story) if story.state in WAITING else "",
    )


def standing_tasks(story: Story) -> tuple[Standing, ...]:
    """Tasks of an earlier plan that the next one does not replace, because they are done or something was handed in."""
    rows = story.tasks.exclude(state="cancelled").order_by("number")
    return tuple(
        Standing(task.reference, task.title, "done" if task.state == "done" else "under way", tuple(task.acceptance))
        for task in rows
        if retired(facts := task_facts(task)) == facts
    )


def task_cycle(story: Story) -> tuple[str, ...]:
    """Tasks of the story that wait for each other in a circle, by reference."""
    edges: dict[str, list[str]] = {}
    pairs = story.tasks.values_list("reference", "dependencies__needs__reference")
    for task, needs in pairs:
        edges.setdefault(task, []).extend([needs] if needs else [])
    return find_cycle(edges)


def story_cycle(story: Story, needs: Sequence[Story]) -> tuple[str, ...]:
    """The circle that these new dependencies of `story` would close, by reference."""
    edges: dict[str, list[str]] = {}
    for one, other in story.dependencies.model.objects.exclude(story=story).values_list(
        "story__reference", "needs__reference"
    ):
        edges.setdefault(one, []).append(other)
    return find_cycle({story.reference: [other.reference for other in needs], **edges})


def budget_refusal(story: Story) -> str:
    """Why the story's budget cannot be reserved, or "".

    What other committed stories were promised and have not spent is not there any more for this one. One that was carried
    over still has its own limit, and asks for what it has left of that.
    """
    if story.budget_usd is None:
        return "The story has no budget."
    wanted = _unspent(story) if story.state == "carry_over" else story.budget_usd
    scopes = [(ScopeKind.TENANT, ""), (ScopeKind.PROJECT, story.project.key)]
    scopes += [(ScopeKind.STRATEGY, str(story.strategy_id))] if story.strategy_id else []
    for kind, scope_id in scopes:
        for limit in budgets(kind=kind, scope_id=scope_id):
            # A story spends over days: a calendar window must have something left, a total all of it.
            needed = wanted if limit.window == "total" else Decimal(0)
            promised = _promised(story, kind) if limit.window == "total" else Decimal(0)
            if limit.left - promised < needed or limit.left <= 0:
                name = f"{limit.window} limit of {kind} {scope_id}".rstrip()
                left = max(Decimal(0), limit.left - promised).normalize()
                beside = f" beside {promised.normalize():f} that committed stories were promised" if promised else ""
                return f"{left:f} USD is left in the {name}{beside}; this needs {wanted.normalize():f}."
    return ""


def _unspent(story: Story) -> Decimal:
    """What a story that was committed once has neither spent nor reserved of its own limit."""
    own = [view.left for view in budgets(kind=ScopeKind.STORY, scope_id=story.reference) if view.window == "total"]
    assert story.budget_usd is not None, "the table lets no story without a budget be committed"
    return max(Decimal(0), own[0]) if own else story.budget_usd


def _promised(story: Story, kind: ScopeKind) -> Decimal:
    """US dollars that the other committed stories of the same scope have been given and have neither spent nor reserved."""
    others = Story.objects.filter(state__in=EXECUTING, budget_usd__isnull=False).exclude(pk=story.pk)
    if kind != ScopeKind.TENANT:
        others = others.filter(**{str(kind): getattr(story, str(kind))})
    unspent = {view.scope_id: view.left for view in budgets(kind=ScopeKind.STORY) if view.window == "total"}
    given = others.values_list("reference", "budget_usd")
    return sum((unspent.get(reference, amount) for reference, amount in given if amount is not None), Decimal(0))
