"""Every row of the story table as an action."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from governance.actions.limits import give_limit, keep_spenders_out
from governance.actions.starters import note_starter
from governance.binding import binding_hash
from governance.scopes import ScopeKind, Window
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.versions import check_version
from workflows.actions.common import refuse, save, unknown_action
from workflows.actions.council_ends import planned_anew
from workflows.actions.progress import ENTERING, note_progress
from workflows.actions.tasks_of import make_tasks, reopen_tasks, retire_tasks, stop_tasks
from workflows.events import ProposalSettled, SprintOpened, StoryTransitioned
from workflows.machines import STORY, Given, refusals
from workflows.models import Sprint, Story
from workflows.models.planning import DerivationState
from workflows.planning import TaskDraft
from workflows.selectors.facts import story_facts, who_is

REJECTIONS = ("reject_code", "fail_tests", "reject_result")
COMMIT = "commit_to_sprint"
APPROVALS = ("approve_scope", "derive_tasks", COMMIT)
"""Acts by which people approve a scope or a plan (G6); see docs/adr/0010."""

SUBMIT, SCHEDULE = "submit", "schedule"
"""The act that a story begins with, and the door of those that the platform does for whoever set a schedule."""

SCOPE = ("title", "brief", "evidence", "acceptance", "size", "priority", "risk_labels", "budget_usd")
STOPS = ("reset", "carry_over", "drop")

Act = Callable[..., Story]


def transition_story(
    *,
    actor: Actor,
    story: Story,
    name: str,
    feedback: str = "",
    version: int | None = None,
    reopen: Sequence[str] = (),
    add: Sequence[TaskDraft] = (),
) -> Story:
    """Do the table's act `name` on `story`.

    `reopen` (task references) and `add` are for the three rejections; for derive_tasks, `add` are the tasks, or the
    open proposal's where it is empty. Raises `Invalid` with fields, `Denied`, `Conflict` and `Stale`.
    """
    act = STORY_ACTS.get(name)
    if act is None:
        raise unknown_action("story", name, STORY.actions)
    return act(
        actor=actor,
        story=story,
        feedback=feedback.strip(),
        version=version,
        reopen=tuple(dict.fromkeys(reopen)),
        add=tuple(add),
    )


def _define(name: str) -> Act:
    @governed(f"story.{name}", lock="story")
    def act(
        *,
        actor: Actor,
        story: Story,
        feedback: str,
        version: int | None,
        reopen: tuple[str, ...],
        add: tuple[TaskDraft, ...],
    ) -> Story:
        check_version(story, version)
        if name == "derive_tasks":
            add = add or _proposed(story)
        elif (add or reopen) and name not in REJECTIONS:
            raise Invalid(f"{name} takes no tasks.", fields={"tasks": ["Leave this empty."]})
        if name in ENTERING:
            keep_spenders_out()
        facts = story_facts(story)
        given = Given(feedback=feedback, reopened=reopen, added=len(add))
        refuse(refusals(STORY, name, facts, who_is(actor), given))
        before, seen = story.state, story.version
        story.follow(name)
        story.feedback = feedback
        _effects(name, story, actor, feedback, reopen, add)
        save(story, "state", "feedback", "sprint", "tasks_made")
        note_progress(story, name)
        note_starter(actor=actor, subject=story.ref, anew=name == SUBMIT and actor.via != SCHEDULE)
        event = StoryTransitioned(
            subject=story.ref,
            story=story.reference,
            action=name,
            from_state=before,
            to_state=story.state,
            actor=actor.ref,
            feedback=feedback,
            tasks=list(reopen),
        )
        after = {"state": story.state, **_approved(name, story, seen)}
        record(event, actor=actor, before={"state": before}, after=after, reason=feedback)
        return story

    return act


def _approved(name: str, story: Story, seen: int) -> dict[str, Any]:
    """For acts that approve a scope or a plan: of which version and which words, as the trail keeps them."""
    if name not in APPROVALS:
        return {}
    words = {field: str(getattr(story, field)) for field in SCOPE}
    rows = story.tasks.order_by("rank").values_list("reference", "title", "role", "size", "risk", "acceptance")
    return {"version": seen, "content": binding_hash({**words, "tasks": [list(row) for row in rows]})}


def _effects(
    name: str, story: Story, actor: Actor, feedback: str, reopen: tuple[str, ...], add: tuple[TaskDraft, ...]
) -> None:
    if name == "derive_tasks" and add:
        retire_tasks(story, actor)
    if add:
        make_tasks(story, add, actor)
    if story.state == STORY.initial:
        planned_anew(story, actor)
    if name == "derive_tasks":
        _settle_proposal(story, actor, add)
    elif name in REJECTIONS:
        reopen_tasks(story, reopen, feedback, actor)
    elif name in STOPS:
        stop_tasks(story, name, actor)
        story.sprint = None
    elif name in ENTERING:
        story.sprint = _open_sprint(story, actor)
    if name == COMMIT:
        _promise(story, actor)


def _proposed(story: Story) -> tuple[TaskDraft, ...]:
    open_ = story.derivations.filter(state=DerivationState.PROPOSED).first()
    return tuple(TaskDraft.from_dict(raw) for raw in open_.drafts) if open_ else ()


def _settle_proposal(story: Story, actor: Actor, used: tuple[TaskDraft, ...]) -> None:
    """The open proposal was accepted where the tasks are its own; other tasks took its place."""
    facts = replace(story_facts(story), state="ready_for_planning")
    refuse([item for item in refusals(STORY, "derive_tasks", facts, who_is(actor), Given()) if not item.field])
    accepted = used == _proposed(story)
    became = DerivationState.ACCEPTED if accepted else DerivationState.REPLACED
    if story.derivations.filter(state=DerivationState.PROPOSED).update(state=became):
        record(ProposalSettled(subject=story.ref, story=story.reference, accepted=accepted), actor=actor)


def _promise(story: Story, actor: Actor) -> None:
    """The story's own limit is there before anybody can claim one of its tasks."""
    assert story.budget_usd is not None, "the table lets no story without a budget be committed"
    give_limit(
        actor=actor, kind=ScopeKind.STORY, scope_id=story.reference, window=Window.TOTAL, amount=story.budget_usd
    )


def _open_sprint(story: Story, actor: Actor) -> Sprint:
    """The project's open sprint; the first committed story opens one. The project's row keeps two from being opened.

    The sprint's own row is held too, so that a closing begins either before this and is seen, or after it and sees the
    story. Raises `Conflict` while it is being closed.
    """
    project = type(story.project).objects.select_for_update(no_key=True).get(pk=story.project_id)
    sprint = Sprint.objects.select_for_update(no_key=True).filter(project=project, closed_at__isnull=True).first()
    if sprint is not None and sprint.state != "open":
        raise Conflict(f"{sprint.name} is being closed; commit the story once that is done.")
    if sprint is None:
        number = Sprint.objects.filter(project=project).count() + 1
        name = f"Sprint {number}"
        sprint = Sprint.objects.create(project=project, number=number, name=name, starts_on=datetime.now(UTC).date())
        record(SprintOpened(subject=sprint.ref, project=project.key, name=name), actor=actor)
    return sprint


STORY_ACTS: dict[str, Act] = {name: _define(name) for name in STORY.actions}
