"""Who somebody is in the tenant in whose scope this runs, read anew each time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import connection

from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.errors import Denied, GuildhallError, NotFound, Unavailable
from guildhall.kernel.operation import current_operation
from guildhall.kernel.tenancy import current_tenant
from tenants.models import ENDED, Tenant, TenantStatus, User

NOBODY_HERE = "No organisation lives at this address."


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
        if self.status in ENDED:
            return NotFound(NOBODY_HERE)
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

    def through(self, via: str, scopes: frozenset[str] | None, key: str = "") -> "Member":
        """The same member, come in by another door (the API key of this number) with no more than `scopes`."""
        return replace(self, actor=replace(self.actor, via=via, scopes=scopes, key=key))


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
    return _member("user_id = %s", [user_id], via)


def member_by_public_id(public_id: str, *, via: str = "session") -> Member | None:
    """The member with this public id, or None."""
    return _member("public_id = %s", [public_id], via)


def member_of_family(public_id: str, family: UUID) -> Member | None:
    """The member with this public id, as long as this family of their tokens was not ended; None otherwise."""
    alive = "EXISTS (SELECT FROM tenants_refreshtoken WHERE family = %s AND revoked_at IS NULL)"
    return _member(f"public_id = %s AND {alive}", [public_id, family], "token")


def _member(condition: str, values: list[Any], via: str) -> Member | None:
    # Every request asks this, so it is asked in SQL: the model's query would take four times as long to be put together.
    columns = "user_id, public_id, name, roles, client, tenant_status, status_reason"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM comember WHERE {condition}", values)  # noqa: S608  conditions of above
        row = cursor.fetchone()
    return None if row is None else member_of_row(row, via)


def member_of_row(row: Sequence[Any], via: str) -> Member:
    """A member from a row of `comember`: user_id, public_id, name, roles, client, tenant_status, status_reason."""
    user_id, public_id, name, roles, client, status, reason = row
    actor = Actor(
        kind=ActorKind.PERSON,
        id=public_id,
        name=name,
        tenant=current_tenant(),
        roles=frozenset(roles),
        client=client or None,
        via=via,
        address=current_operation().address,
    )
    return Member(pk=user_id, actor=actor, standing=Standing(status, reason))


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
