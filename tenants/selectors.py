"""Reads of identity in the current tenant, each starting from who asks."""

import hashlib
from collections.abc import Collection

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from governance.views import HoldView
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.errors import NotFound
from guildhall.kernel.tenancy import current_tenant
from tenants.models import ENDED, ApiKey, Comember, Invitation, Session, Tenant, TenantStatus
from tenants.policies import manages_all
from tenants.roles import CLIENT

CLOSED = (TenantStatus.SUSPENDED, TenantStatus.QUARANTINED, *ENDED)
"""States in which nothing is done for an organisation."""


def digest(secret: str) -> str:
    """How random secrets (keys, tokens, invitation links) are stored: SHA-256, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def members_visible_to(actor: Actor) -> QuerySet[Comember]:
    """The tenant's members; a client sees only people of the same client."""
    members = Comember.objects.order_by("name", "pk")
    return members.filter(client=actor.client or "-", roles=[CLIENT]) if actor.has_role(CLIENT) else members


def names_of_tenants(schemas: Collection[str]) -> dict[str, str]:
    """What the organisations of these schemas are called, for the platform's own pages."""
    return dict(Tenant.objects.filter(schema_name__in=schemas).values_list("schema_name", "name"))


def why_closed(tenant: str) -> str | None:
    """Why no job runs for the tenant in whose scope this is asked; None when jobs run. The platform is never closed."""
    if tenant == PLATFORM:
        return None
    with connection.cursor() as cursor:  # before every job: making a whole row of it would take as long again
        cursor.execute("SELECT status, status_reason FROM tenants_tenant WHERE schema_name = %s", [tenant])
        row = cursor.fetchone()
    if row is None:
        return "there is no such tenant"
    status, reason = row
    return f"{TenantStatus(status).label.lower()}: {reason}" if status in CLOSED else None


POSSIBLY_CLOSED = (
    "NOT EXISTS (SELECT FROM tenants_tenant"
    " WHERE schema_name = current_user AND status NOT IN ('suspended', 'quarantined', 'archiving', 'archived'))"
)


def closed_hold() -> HoldView | None:
    """A closed organisation as a hold over everything in it: what its agents are at stops, and they spend nothing."""
    reason = why_closed(current_tenant())
    return HoldView(0, "organisation", "", reason, "owner", timezone.now()) if reason else None


def roles_of_members() -> dict[str, frozenset[str]]:
    """The current tenant's active members with their roles, for the platform's own use: by reference."""
    return {
        f"person:{public_id}": frozenset(roles)
        for public_id, roles in Comember.objects.values_list("public_id", "roles")
    }


def member_visible_to(actor: Actor, person: str) -> Comember:
    """The member with public id `person`. Raises `NotFound`."""
    member = members_visible_to(actor).filter(public_id=person).first()
    if member is None:
        raise NotFound("There is no such member here.")
    return member


def standing_actor(ref: str, *, via: str) -> Actor:
    """A member for whom the platform carries out what they ordered, with the roles that they have today.

    Raises `NotFound` when `ref` is no member's any more.
    """
    kind, _, person = ref.partition(":")
    member = Comember.objects.filter(public_id=person).first() if kind == ActorKind.PERSON else None
    if member is None:
        raise NotFound("The member who ordered this has left.")
    return Actor(
        kind=ActorKind.PERSON,
        id=member.public_id,
        name=member.name,
        tenant=current_tenant(),
        roles=frozenset(member.roles),
        client=member.client or None,
        via=via,
    )


def user_id_of(actor: Actor) -> int:
    """The database id of a person acting in the current tenant. Raises `NotFound` when they left."""
    row = Comember.objects.filter(public_id=actor.id).values_list("pk", flat=True).first()
    if row is None:
        raise NotFound("There is no such member here.")
    return int(row)


def keys_visible_to(actor: Actor) -> QuerySet[ApiKey]:
    """All keys for admins, their own for everybody else."""
    keys = ApiKey.objects.order_by("-id")
    return keys if manages_all(actor) else keys.filter(user_id=user_id_of(actor))


def key_visible_to(actor: Actor, pk: int) -> ApiKey:
    """One key. Raises `NotFound`."""
    key = keys_visible_to(actor).filter(pk=pk).first()
    if key is None:
        raise NotFound("There is no such API key here.")
    return key


def known_keys(numbers: list[str]) -> set[str]:
    """Which of these numbers are API keys' of the current tenant, as text."""
    wanted = [int(text) for text in numbers if text.isascii() and text.isdecimal() and int(text) < 2**63]
    return {str(pk) for pk in ApiKey.objects.filter(pk__in=wanted).values_list("pk", flat=True)}


def invitations_visible_to(actor: Actor, *, expired: bool = False) -> QuerySet[Invitation]:
    """Open invitations, with `expired` also those that ran out: all for admins, those they sent for everybody else."""
    waiting = Invitation.objects.filter(accepted_at=None).order_by("-id")
    if not expired:
        waiting = waiting.filter(expires_at__gt=timezone.now())
    return waiting if manages_all(actor) else waiting.filter(invited_by=actor.ref)


def invitation_visible_to(actor: Actor, pk: int, *, expired: bool = False) -> Invitation:
    """One open invitation, with `expired` also one that ran out. Raises `NotFound`."""
    invitation = invitations_visible_to(actor, expired=expired).filter(pk=pk).first()
    if invitation is None:
        raise NotFound("There is no such invitation here.")
    return invitation


def open_invitation(token: str) -> Invitation:
    """The invitation that a link's secret opens. Raises `NotFound` for a wrong, used or expired one alike."""
    invitation = Invitation.objects.filter(
        token_hash=digest(token), accepted_at=None, expires_at__gt=timezone.now()
    ).first()
    if invitation is None:
        raise NotFound("This invitation was used, has expired or was withdrawn. Ask your admin for a new one.")
    return invitation


def sessions_of(user_id: int) -> QuerySet[Session]:
    """A person's sign-ins on this host that have not expired, newest first."""
    return Session.objects.filter(user_id=user_id, expire_date__gt=timezone.now()).order_by("-created_at")
