"""Who may ask for which governance action at all; the actions themselves look at the row."""

from dataclasses import dataclass

from governance.policies.change import DRAFTERS
from guildhall.kernel.actions import ActionContext
from guildhall.kernel.actor import ActorKind
from guildhall.kernel.errors import Denied


@dataclass(frozen=True, slots=True)
class Grant:
    """Kinds of actors that may act; `roles`, where given, are what a person needs one of."""

    kinds: frozenset[ActorKind]
    roles: frozenset[str] | None = None


SYSTEM = frozenset({ActorKind.SYSTEM})
PEOPLE = frozenset({ActorKind.PERSON, ActorKind.OWNER})
ANYONE = frozenset(ActorKind)
SPENDERS = frozenset({"admin", "product_owner", "architect", "developer", "qa", "devops", "data"})

GRANTS: dict[str, Grant] = {
    "budget.reserve": Grant(ANYONE, SPENDERS),
    "budget.renew": Grant(ANYONE, SPENDERS),
    "budget.settle": Grant(ANYONE, SPENDERS),
    "budget.settle_late": Grant(ANYONE, SPENDERS),
    "budget.release": Grant(ANYONE, SPENDERS),
    "budget.refuse": Grant(ANYONE, SPENDERS),
    "budget.expire": Grant(SYSTEM),
    "budget.abandon": Grant(ANYONE, SPENDERS),
    "budget.charge_use": Grant(SYSTEM),
    "budget.override": Grant(SYSTEM),
    "budget.adjust": Grant(PEOPLE, frozenset({"admin"})),
    "budget.correct_estimate": Grant(SYSTEM),
    "budget.reconcile": Grant(PEOPLE | SYSTEM, frozenset({"admin"})),
    "budget.set_limit": Grant(PEOPLE | SYSTEM, frozenset({"admin"})),
    "budget.remove_limit": Grant(PEOPLE | SYSTEM, frozenset({"admin"})),
    "approval.request": Grant(ANYONE, SPENDERS),
    "approval.decide": Grant(PEOPLE),
    "approval.expire": Grant(SYSTEM),
    "approval.void": Grant(PEOPLE | SYSTEM, frozenset({"admin", "product_owner"})),
    "approval.record_outcome": Grant(SYSTEM),
    "approval.alarm": Grant(SYSTEM),
    "approval.hold_back": Grant(SYSTEM),
    "approval.retry": Grant(PEOPLE | SYSTEM, frozenset({"admin", "product_owner", "devops"})),
    "approval.take_back": Grant(PEOPLE, frozenset({"admin", "product_owner"})),
    "release.hold": Grant(PEOPLE, frozenset({"admin", "product_owner", "devops"})),
    "release.lift": Grant(PEOPLE, frozenset({"admin", "product_owner", "devops"})),
    "reputation.apply": Grant(SYSTEM),
    "reputation.decay": Grant(SYSTEM),
    "reputation.give_back": Grant(SYSTEM),
    "violation.record": Grant(SYSTEM | frozenset({ActorKind.AGENT})),
    "violation.judge": Grant(PEOPLE, frozenset({"admin", "architect", "product_owner", "devops"})),
    "reputation.adjust": Grant(PEOPLE, frozenset({"admin", "architect"})),
    "policy.found": Grant(SYSTEM),
    "policy.draft": Grant(PEOPLE, DRAFTERS),
    "policy.edit_draft": Grant(PEOPLE, DRAFTERS),
    "policy.submit_draft": Grant(PEOPLE, DRAFTERS),
    "policy.withdraw_draft": Grant(PEOPLE, DRAFTERS),
    "policy.return_draft": Grant(SYSTEM),
    "policy.activate": Grant(SYSTEM),
    "confidence.assess": Grant(frozenset({ActorKind.AGENT, ActorKind.SYSTEM})),
    "confidence.judge": Grant(SYSTEM),
    "hold.place": Grant(PEOPLE | SYSTEM, frozenset({"admin", "product_owner", "devops"})),
    "hold.lift": Grant(PEOPLE, frozenset({"admin", "product_owner", "devops"})),
}

PREFIXES = ("budget.", "approval.", "reputation.", "policy.", "confidence.", "hold.", "release.", "violation.")


def check_grant(context: ActionContext) -> None:
    """Registered with the kernel: refuses an actor whose kind or role has no grant for a governance action.

    An action of this room that nobody is named for is nobody's.
    """
    if not context.name.startswith(PREFIXES):
        return
    grant = GRANTS.get(context.name)
    if grant is None:
        raise Denied(f"{context.name} is granted to nobody.")
    actor = context.actor
    if actor.kind not in grant.kinds:
        raise Denied(f"{context.name} is not for a {actor.kind}: {', '.join(sorted(grant.kinds))} may do it")
    if actor.kind == ActorKind.PERSON and grant.roles is not None and not actor.has_role(*grant.roles):
        raise Denied(f"{context.name} needs one of the roles {', '.join(sorted(grant.roles))}")
