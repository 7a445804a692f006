"""Who may ask for which act at all: the tables say who moves a story or a task, this names the rest."""

from guildhall.kernel.actions import ActionContext
from guildhall.kernel.actor import Actor, ActorKind
from guildhall.kernel.errors import Denied, NotFound
from workflows.machines.core import ROLE_WORDS, either, held_by
from workflows.machines.facts import Who
from workflows.models import Attachment, Comment, Story, Task

PLANNERS = ("product_owner", "architect", "planner agent", "system")
WRITERS = ("admin", "product_owner", "architect", "developer", "qa", "devops", "data")

COMFORT: dict[str, tuple[str, ...]] = {
    "comment.write": (*WRITERS, "planner agent", "client", "system"),
    "comment.edit": (*WRITERS, "planner agent", "client"),
    "comment.delete": (*WRITERS, "planner agent", "client"),
    "label.create": WRITERS,
    "label.edit": WRITERS,
    "label.delete": ("admin", "product_owner", "architect"),
    "story.set_labels": (*WRITERS, "planner agent"),
    "story.assign": WRITERS,
    "story.watch": (*WRITERS, "viewer", "client"),
    "inbox.read": (*WRITERS, "viewer", "client"),
    "attachment.add": (*WRITERS, "client"),
    "attachment.delete": (*WRITERS, "client"),
    "filter.save": (*WRITERS, "viewer", "client"),
    "filter.delete": (*WRITERS, "viewer", "client"),
}
"""Beside the work: who may say, set and keep things. What is one's own is looked at by the actions."""

OWNERS = ("admin", "product_owner")
PLANS: dict[str, tuple[str, ...]] = {
    "project.create": (*OWNERS, "system"),
    "project.edit": OWNERS,
    "project.hand_over": OWNERS,
    "project.add_repository": OWNERS,
    "project.edit_repository": OWNERS,
    "project.remove_repository": OWNERS,
    "strategy.create": OWNERS,
    "strategy.edit": OWNERS,
    "strategy.pause": OWNERS,
    "strategy.resume": OWNERS,
    "strategy.end": OWNERS,
    "strategy.set_schedule": OWNERS,
    "strategy.remove_schedule": OWNERS,
    "strategy.fire": ("system",),
    "strategy.release": ("system",),
    "strategy.settle_firing": ("system",),
    "strategy.write_story": OWNERS,
    "epic.create": (*OWNERS, "architect", "planner agent"),
    "epic.edit": (*OWNERS, "architect"),
    "epic.close": (*OWNERS, "architect"),
    "epic.reopen": (*OWNERS, "architect"),
    "epic.order": (*OWNERS, "architect"),
    "epic.order_stories": (*OWNERS, "architect"),
    "sprint.open": OWNERS,
    "sprint.edit": OWNERS,
    "sprint.close": ("product_owner",),
    "sprint.end": ("system",),
    "sprint.finish_closing": ("system",),
    "decision.propose": (*WRITERS, "planner agent", "system"),
    "decision.edit": WRITERS,
    "decision.decide": ("product_owner",),
    "decision.supersede": ("product_owner",),
}
"""Who plans. Whoever may set a schedule may also write and submit stories: its stories are theirs."""

GRANTS: dict[str, tuple[str, ...]] = {
    **PLANS,
    "story.create": (*WRITERS, "planner agent", "system"),
    "story.edit": (*WRITERS, "planner agent"),
    "story.propose_tasks": PLANNERS,
    "story.edit_proposal": ("product_owner", "architect"),
    "story.add_task": ("product_owner", "architect"),
    "story.edit_task": ("product_owner", "architect"),
    "story.reorder_tasks": ("product_owner", "architect"),
    "council.convene": ("product_owner", "architect", "system"),
    "council.enter": ("system",),
    "council.contribute": ("system",),
    "council.conclude": ("system",),
    "council.stop": ("system",),
    "council.waive": ("product_owner", "architect"),
    "task.renew_claim": ("architect", "developer", "qa", "devops", "data", "system"),
    "task.mark_approved": ("system",),
    "task.rebind": ("system",),
    "task.ask_again": ("system",),
    "task.request_validation": ("product_owner", "system"),
    "task.complete": ("system",),
    **COMFORT,
}
"""Roles per action that is not a row of a table."""


def check_workflow_action(context: ActionContext) -> None:
    """Registered with the kernel: asks the grants above, and hides what a client may not see."""
    wanted = GRANTS.get(context.name)
    actor = context.actor
    if wanted is not None:
        held = held_by(Who(actor.ref, str(actor.kind), actor.roles))
        if not held & set(wanted):
            words = either(ROLE_WORDS[role] for role in wanted)
            raise Denied(f"{context.name} is for {words}.")
    for row in (context.target, context.arguments.get("task")):
        if isinstance(row, (Story, Task)) and not may_see(actor, row):
            raise NotFound("There is no such story or task.")
        if isinstance(row, (Comment, Attachment)) and not may_read(actor, row):
            raise NotFound("There is no such thing here.")


def may_read(actor: Actor, row: Comment | Attachment) -> bool:
    """Whether the actor may know of what lies beside a story: a client only of what is marked for it."""
    return may_see(actor, row.story) and (row.client_visible or sees_all(actor))


def may_see(actor: Actor, row: Story | Task) -> bool:
    """Whether the actor may know of it: a client sees what is marked visible, of its own client's projects."""
    if sees_all(actor):
        return True
    story = row.story if isinstance(row, Task) else row
    return sees_as_client(actor) and story.client_visible and story.project.client == actor.client


def sees_all(actor: Actor) -> bool:
    """Agents, the platform's parts and every member who is more than a client."""
    if actor.kind in (ActorKind.AGENT, ActorKind.SYSTEM):
        return True
    return actor.kind == ActorKind.PERSON and bool(actor.roles - {"client"})


def may_write(actor: Actor) -> bool:
    """Whether the actor writes stories: what a page offers; actions ask their grants."""
    return actor.has_role(*WRITERS)


def sees_as_client(actor: Actor) -> bool:
    """Whether the actor sees through the eyes of a client, and which one is known."""
    return actor.kind == ActorKind.PERSON and "client" in actor.roles and bool(actor.client)
