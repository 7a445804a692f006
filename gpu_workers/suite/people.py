"""The throw-away tenant of a suite, and the people in it who want the tasks done. Nobody can sign in as any of them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from governance.actions.approvals import decide_approval
from governance.policies.answers import QUESTION
from governance.selectors.approvals import pending_for
from governance.views import ApprovalView
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind, system_actor
from guildhall.kernel.errors import Conflict, Denied
from guildhall.kernel.tenancy import identity_scope, platform_scope, tenant_scope
from tenants.actions.members import accept_invitation, invite
from tenants.actions.tenants import create_tenant, suspend_tenant
from tenants.models import Tenant, User
from tenants.provisioning.provision import host_for, provision

NOBODY = "Nobody answers in a suite. Decide by what the task says and by what is there."
ROLES = {"admin": "Suite admin", "product_owner": "Suite owner", "developer": "Suite author"}


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a suite runs: its tenant, and its people by role."""

    tenant: Tenant
    people: dict[str, Actor]

    @property
    def schema(self) -> str:
        return str(self.tenant.schema_name)


def open_ground() -> Ground:
    """A fresh tenant `suite-…`, ready to work in."""
    slug = f"suite-{secrets.token_hex(4)}"
    with platform_scope():
        actor = system_actor("suite", PLATFORM)
        tenant = create_tenant(actor=actor, slug=slug, name=f"Suite {slug[6:]}", host=host_for(slug))
    tenant = provision(tenant)
    return Ground(tenant, {role: _join(tenant, role, name) for role, name in ROLES.items()})


def allow(ground: Ground, wanted: Callable[[ApprovalView], bool]) -> bool:
    """Allow what waits for these people and is `wanted`; questions in words are left to the agent. Whether there was any."""
    acted = False
    for person in ground.people.values():
        for asked in filter(wanted, pending_for(person)):
            try:
                decide_approval(
                    actor=person,
                    approval=asked.number,
                    decision="approve",
                    binding_hash=asked.binding_hash,
                    feedback=NOBODY if asked.binding.get(QUESTION) else "",
                )
            except (Conflict, Denied):
                # What it stands for has changed meanwhile, or is not for this person: it is asked for anew.
                continue
            acted = True
    return acted


def close_ground(ground: Ground) -> None:
    """Let nothing go on in the tenant; what happened there stays."""
    with platform_scope():
        actor = system_actor("suite", PLATFORM)
        suspend_tenant(actor=actor, tenant=ground.tenant, reason="The suite that it was made for has run.")


def _join(tenant: Tenant, role: str, name: str) -> Actor:
    email = f"{role.replace('_', '-')}@{tenant.slug}.example"
    with tenant_scope(tenant.schema_name):
        inviter = system_actor("suite", tenant.schema_name)
        invitation, _ = invite(actor=inviter, email=email, roles=[role])
    with identity_scope(), transaction.atomic():
        user = User.objects.create_user(email, name)
    with tenant_scope(tenant.schema_name):
        actor = Actor(
            kind=ActorKind.PERSON,
            id=user.public_id,
            name=name,
            tenant=tenant.schema_name,
            roles=frozenset({role}),
            via="suite",
        )
        accept_invitation(actor=actor, invitation=invitation, user_id=user.pk)
    return actor
