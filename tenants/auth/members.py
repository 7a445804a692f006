"""Who somebody is in the tenant in whose scope this runs, read anew each time."""

from dataclasses import dataclass, replace

from django.db.models import Q

from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.errors import Denied, GuildhallError, Unavailable
from guildhall.kernel.operation import current_operation
from guildhall.kernel.tenancy import current_tenant
from tenants.models import Comember, Tenant, TenantStatus, User


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a tenant may be used now, and if not, why."""

    status: str
    reason: str

    def refusal(self) -> GuildhallError | None:
        """The error that every door answers with; None while the tenant is active."""
        if self.status == TenantStatus.ACTIVE:
            return None
        if self.status == TenantStatus.SUSPENDED:
            return Denied(f"This organisation is suspended: {self.reason}", tenant_status=self.status)
        if self.status == TenantStatus.PROVISIONING:
            return Unavailable("This organisation is still being set up.", tenant_status=self.status)
        return Unavailable(f"This organisation is not available now. {self.reason}".rstrip(), tenant_status=self.status)


@dataclass(frozen=True, slots=True)
class Member:
    """What `request.user` is on a tenant's host: no e-mail, no password, only what co-members may see."""

    pk: int
    actor: Actor
    standing: Standing
    backend: str = ""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self.actor.name

    def through(self, via: str, scopes: frozenset[str] | None) -> "Member":
        """The same member, come in by another door with no more than `scopes`."""
        return replace(self, actor=replace(self.actor, via=via, scopes=scopes))


@dataclass(frozen=True, slots=True)
class OwnerPrincipal:
    """What `request.user` is for the platform's own API."""

    pk: int
    actor: Actor

    is_authenticated = True
    is_anonymous = False


def standing() -> Standing:
    """The current tenant's, from its row. Raises Tenant.DoesNotExist when it was dropped a moment ago."""
    row = Tenant.objects.values("status", "status_reason").get(schema_name=current_tenant())
    return Standing(row["status"], row["status_reason"])


def member_by_pk(user_id: int, *, via: str = "session") -> Member | None:
    """The member with this user id; None for somebody who is not, or not any more, in this tenant."""
    return _member(Q(pk=user_id), via)


def member_by_public_id(public_id: str, *, via: str = "session") -> Member | None:
    """The member with this public id, or None."""
    return _member(Q(public_id=public_id), via)


def _member(which: Q, via: str) -> Member | None:
    row = (
        Comember.objects.filter(which)
        .values("user_id", "public_id", "name", "roles", "client", "tenant_status", "status_reason")
        .first()
    )
    if row is None:
        return None
    actor = Actor(
        kind=ActorKind.PERSON,
        id=row["public_id"],
        name=row["name"],
        tenant=current_tenant(),
        roles=frozenset(row["roles"]),
        client=row["client"] or None,
        via=via,
        address=current_operation().address,
    )
    return Member(pk=row["user_id"], actor=actor, standing=Standing(row["tenant_status"], row["status_reason"]))


def owner_actor(user: User, *, via: str = "session") -> Actor:
    """An owner acting on the platform. The caller has made sure that `user` is one."""
    return Actor(
        kind=ActorKind.OWNER,
        id=user.public_id,
        name=user.name,
        tenant=PLATFORM,
        roles=frozenset({"owner"}),
        via=via,
        address=current_operation().address,
    )
