"""Who may look after the delivery of events: admins in their tenant, owners on the platform, and the platform itself."""

from guildhall.kernel.actions import ActionContext
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.errors import Denied

ADMIN = "admin"
KEEPERS = frozenset({"stream.retry", "stream.dismiss", "stream.rewind", "stream.wake"})
"""What people do to consumers of their tenant."""

SYSTEMS = frozenset({"stream.keep_letter", "stream.note_retry"})
"""What delivery itself writes down."""

OWNERS = frozenset({"stream.retry_tenant"})
AUDITORS = frozenset({"audit.export", "audit.verify"})
"""What people do with the audit trail; whoever may read it may take it along, and have it verified."""

ERASERS = frozenset({"audit.erase"})
"""What admins, and the platform for somebody who asked, do to words that are to be forgotten."""

READERS = frozenset({"audit.note_read"})
"""What is written down of whoever was let in to read."""

STREAM_ACTIONS = KEEPERS | SYSTEMS | OWNERS | AUDITORS | ERASERS | READERS


def may_keep_streams(actor: Actor) -> bool:
    """Whether the actor looks after the tenant's consumers."""
    return actor.kind is ActorKind.SYSTEM or (actor.kind is ActorKind.PERSON and actor.has_role(ADMIN))


def refuse_others(actor: Actor) -> None:
    """Raises `Denied` for whoever does not look after the tenant's consumers."""
    if not may_keep_streams(actor):
        raise Denied("The delivery of events is looked after by admins.")


def refuse_clients(actor: Actor) -> None:
    """Raises `Denied` for clients: what the house does is not theirs to read."""
    if actor.is_person and not actor.roles - {"client"}:
        raise Denied("This is for members of the organisation, not for clients.")


def check_stream_action(context: ActionContext) -> None:
    """Registered with the kernel. An action of this room that nobody is named for is nobody's."""
    if not context.name.startswith(("stream.", "audit.")):
        return
    if context.name in READERS:
        return
    if context.name in AUDITORS:
        refuse_clients(context.actor)
    elif context.name in KEEPERS | ERASERS:
        refuse_others(context.actor)
    elif context.name in OWNERS:
        if context.actor.tenant != PLATFORM or context.actor.kind is not ActorKind.OWNER:
            raise Denied("Only an owner of the platform may do this.")
    elif context.name not in SYSTEMS or context.actor.kind is not ActorKind.SYSTEM:
        raise Denied(f"{context.name} is the platform's own.")
