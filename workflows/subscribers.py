"""What follows from events: stories roll up, approvals are asked for and taken back, budgets are opened."""

import logging
from dataclasses import replace
from typing import Any

from governance.actions.approvals import request_approval
from governance.actions.outcomes import void_approvals
from governance.events import ApprovalDecided, ApprovalVoided, PolicyActivated
from governance.scopes import ScopeKind
from governance.selectors import active_policy, latest_approval
from guildhall.kernel.actor import Actor, ActorKind, system_actor
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.errors import Conflict
from guildhall.kernel.unseen import seen
from workflows.actions import mark_approved, request_validation, transition_story, transition_task
from workflows.actions.outcomes import ask_again
from workflows.events import StoryTransitioned, StrategyCreated, TaskTransitioned, ValidationRequired
from workflows.machines import EXECUTING
from workflows.models import Story, Strategy, Task
from workflows.planning.drafts import RISKS
from workflows.ports import merge_binding
from workflows.promised import give_limit
from workflows.rollup import next_step
from workflows.selectors.councils import voters_of
from workflows.selectors.facts import story_facts

logger = logging.getLogger(__name__)
STOPS = ("reset", "carry_over", "drop")
WAITING = "pending_po_approval"
OWNER = "product_owner"
FILES_NAMED = 3


def _platform(event: Delivered) -> Actor:
    return system_actor("workflows", event.tenant)


def _actor_of(event: Delivered) -> Actor:
    """Who did what the event tells, with the roles they did it with."""
    about: dict[str, Any] = event.actor
    return Actor(
        kind=ActorKind(about["kind"]),
        id=about["id"],
        name=about["name"],
        tenant=event.tenant,
        roles=frozenset(about["roles"]),
        via="event",
    )


def _decider_of(event: Delivered) -> Actor:
    """Who decided an approval. The policy says who may; for the tables they stand in for the product owner there."""
    decider = _actor_of(event)
    return replace(decider, roles=decider.roles | {OWNER}, via="approval")


@consumer("workflows.rollup", kinds=[TaskTransitioned, StoryTransitioned])
def roll_up(event: Delivered) -> None:
    """Move a story as far as its tasks have come. It looks at what is now, so a second delivery does nothing."""
    moved = event.data
    if not isinstance(moved, (TaskTransitioned, StoryTransitioned)):
        return
    if isinstance(moved, TaskTransitioned) and moved.action == "reject_story":
        _reject_result(event, moved)
    story = Story.objects.filter(reference=moved.story).first()
    while story is not None and (step := next_step(story_facts(story))):
        action, reopen = step
        # The rejection may be told by a later event than this one: the tasks themselves know why they are back.
        said = Task.objects.filter(reference__in=reopen).exclude(feedback="").order_by("number")
        feedback = " ".join(said.values_list("feedback", flat=True))
        try:
            story = transition_story(actor=_platform(event), story=story, name=action, feedback=feedback, reopen=reopen)
        except Conflict:
            # Somebody moved it meanwhile; their event comes here too.
            return


def _reject_result(event: Delivered, moved: TaskTransitioned) -> None:
    """A product owner who sends a task back from a story that was ready to review sends the story back with it."""
    story = Story.objects.filter(reference=moved.story, state="ready_to_review").first()
    # This rejection and no other: told late or again, it must not send back what was handed in since.
    back = Task.objects.filter(
        reference=moved.task, state__in=["todo", "implementing"], rejected_sha=moved.rejected_sha
    )
    if story is not None and back.exists():
        transition_story(
            actor=_actor_of(event),
            story=story,
            name="reject_result",
            feedback=moved.feedback,
            reopen=[moved.task],
        )


@consumer("workflows.approvals", kinds=[ValidationRequired, TaskTransitioned, StoryTransitioned])
def keep_approvals(event: Delivered) -> None:
    """Ask for the approval of a commit that passed its tests, and take back approvals whose question is gone."""
    told = event.data
    if isinstance(told, ValidationRequired):
        _ask(event, told)
    elif isinstance(told, TaskTransitioned):
        if told.from_state == WAITING and told.action != "approve_story" and not _stands(told.task):
            _void(event, told.subject, f"{told.task} was taken back: {told.action.replace('_', ' ')}")
    elif isinstance(told, StoryTransitioned):
        _story_moved(event, told)


def _ask(event: Delivered, told: ValidationRequired) -> None:
    task = Task.objects.select_related("story__project").filter(reference=told.task).first()
    if task is None or task.state != WAITING or task.commit_sha != told.commit_sha or task.approver:
        return
    if task.story.state not in EXECUTING:
        return  # its story was stopped meanwhile; it is asked about when that goes on
    _void_others(event, task)
    binding = merge_binding(task.reference, task.commit_sha)
    request_approval(
        actor=_platform(event),
        kind="merge",
        subject=task.ref,
        title=f"Merge {told.task}: {told.title}",
        summary="\n".join([*_asked_before(task), *_warned(binding), *task.acceptance]),
        binding=binding,
        risk=_risk(task, binding),
        excluded=[*told.excluded, *(voter for voter in voters_of(task.story) if voter not in told.excluded)],
        eligible_roles=active_policy().document.deciders("merge") or [OWNER],
        client=task.story.project.client,
    )


def _asked_before(task: Task) -> list[str]:
    """Why people are asked once more, where an earlier question was taken back."""
    last = latest_approval(task.ref, kind="merge")
    return [f"Asked again: {last.state_reason}"] if last is not None and last.state == "void" else []


def _warned(binding: dict[str, Any]) -> list[str]:
    """What people are told before all else of what they are asked about."""
    hiding = [seen(str(path), "") for path in binding.get("hidden_characters", [])]
    if not hiding:
        return []
    more = f" and {len(hiding) - FILES_NAMED} more" if len(hiding) > FILES_NAMED else ""
    return [
        f"It adds characters that nobody sees, or that change how a line reads, to {', '.join(hiding[:FILES_NAMED])}{more}."
    ]


def _risk(task: Task, binding: dict[str, Any]) -> str:
    """The highest of what was planned and what the policy says of the story's labels and the files really touched.

    It is high where something is added that nobody sees.
    """
    if binding.get("hidden_characters"):
        return RISKS[-1]
    found = active_policy().document.risk_of(task.story.risk_labels or [], list(binding.get("files", [])))
    return max(task.risk, str(found), key=RISKS.index)


def _void_others(event: Delivered, task: Task) -> None:
    """An approval of an earlier commit must not stay open beside the new one; the same question is kept."""
    last = latest_approval(task.ref, kind="merge")
    if last is not None and last.binding.get("commit_sha") != task.commit_sha:
        _void(event, task.ref, f"{task.reference} has another commit now")


def _stands(reference: str) -> bool:
    """Whether what is asked about a task now, and was not taken back, is its present commit.

    An event that is told late, or again because this consumer was made to read again, takes back nothing newer.
    """
    task = Task.objects.select_related("story").filter(reference=reference, state=WAITING).first()
    last = latest_approval(task.ref, kind="merge") if task else None
    if task is None or last is None or last.state not in ("pending", "approved"):
        return False
    return task.story.state in EXECUTING and last.binding.get("commit_sha") == task.commit_sha


def _void(event: Delivered, subject: str, reason: str) -> None:
    void_approvals(actor=_platform(event), subject=subject, reason=reason[:300])


def _story_moved(event: Delivered, told: StoryTransitioned) -> None:
    tasks = Task.objects.filter(story__reference=told.story).select_related("story")
    if told.action in STOPS:
        goes_on = Story.objects.filter(reference=told.story, state__in=EXECUTING).exists()
        for subject in (told.subject, *(task.ref for task in tasks)):
            last = latest_approval(subject)
            if goes_on and last is not None and last.requested_at > event.at:
                continue  # it goes on again, and this was asked since
            _void(event, subject, f"{told.story} was stopped: {told.action.replace('_', ' ')}")
    elif told.to_state == "ready_for_execution":
        for task in tasks.filter(state=WAITING, approver=""):
            if _stands(task.reference):
                continue
            request_validation(actor=_platform(event), task=task)


@consumer("workflows.decisions", kinds=[ApprovalDecided])
def take_decision(event: Delivered) -> None:
    """Carry a decided merge approval into its task: approved, not executed; or back to the implementer."""
    told = event.data
    if not isinstance(told, ApprovalDecided):
        return
    if told.approval_kind != "merge" or not told.about.startswith("task:"):
        return
    commit = str(told.binding.get("commit_sha", ""))
    reference = told.about.removeprefix("task:")
    task = Task.objects.filter(reference=reference, state=WAITING, commit_sha=commit).select_related("story").first()
    if task is None:
        return
    last = latest_approval(task.ref, kind="merge")
    if last is None or last.number != told.number or last.state == "void":
        return  # it was asked anew or taken back since, and that counts
    decider = _decider_of(event)
    try:
        if told.decision == "approved":
            mark_approved(actor=_platform(event), task=task, approver=decider, commit_sha=commit, approval=told.subject)
        else:
            transition_task(actor=decider, task=task, name="reject_story", feedback=told.feedback)
    except Conflict as late:
        if Story.objects.filter(pk=task.story_id, state__in=EXECUTING).exists():
            raise
        logger.info("nothing follows from approval %s: %s", told.number, late.detail)


@consumer("workflows.asks", kinds=[ApprovalVoided, PolicyActivated])
def ask_anew(event: Delivered) -> None:
    """A yes that people took back, and a question under a policy that has changed, leave a task that waits: ask anew."""
    told = event.data
    if isinstance(told, ApprovalVoided):
        if told.approval_kind == "merge" and event.actor["kind"] == ActorKind.PERSON:
            _ask_anew(event, told.about)
    elif isinstance(told, PolicyActivated):
        version = active_policy().version
        for task in Task.objects.filter(state=WAITING).select_related("story"):
            last = latest_approval(task.ref, kind="merge")
            open_ = last is not None and last.state in ("pending", "approved")
            if last is not None and open_ and last.binding.get("policy_version") != version:
                _void(event, task.ref, "The policy has changed since this was asked.")
                _ask_anew(event, task.ref)


def _ask_anew(event: Delivered, subject: str) -> None:
    task = Task.objects.filter(reference=subject.removeprefix("task:"), state=WAITING).select_related("story").first()
    last = latest_approval(subject, kind="merge")
    if task is None or task.story.state not in EXECUTING or last is None or last.state != "void":
        return  # it does not wait any more, or was asked about since
    if last.binding.get("commit_sha") == task.commit_sha:
        ask_again(actor=_platform(event), task=task)


@consumer("workflows.budgets", kinds=[StrategyCreated])
def open_budgets(event: Delivered) -> None:
    """Give a strategy the limit that it was promised."""
    told = event.data
    if isinstance(told, StrategyCreated):
        strategy = Strategy.objects.filter(pk=told.subject.removeprefix("strategy:")).first()
        if strategy is not None and strategy.budget_usd is not None:
            give_limit(event, ScopeKind.STRATEGY, str(strategy.pk), strategy.budget_usd)
