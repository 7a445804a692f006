"""Who may do what to agents, runs, changes and repositories."""

from guildhall.kernel.actions import ActionContext
from guildhall.kernel.actor import Actor, ActorKind
from guildhall.kernel.errors import Denied

AGENT, SYSTEM = "agents", "the platform itself"
BUILDERS = ("architect", "developer", "qa", "devops", "data")
GRANTS: dict[str, tuple[str, ...]] = {
    "agent.register": ("admin", SYSTEM),
    "agent.edit": ("admin", "architect"),
    "agent.move_prompts": ("admin", "architect"),
    "agent.move_all_prompts": ("admin", "architect"),
    "agent.rest": ("admin", "architect"),
    "agent.wake": ("admin", "architect"),
    "agent.set_cap": ("admin", "architect"),
    "repository.create": ("admin", SYSTEM),
    "repository.follow": (SYSTEM,),
    "repository.leave": (SYSTEM,),
    "repository.connect": ("admin",),
    "repository.renew_token": ("admin",),
    "repository.renew_hook": ("admin",),
    "repository.require_checks": ("admin",),
    "repository.disconnect": ("admin",),
    "repository.hear": (SYSTEM,),
    "secret.read": (AGENT, "admin", SYSTEM),
    "database.connect": ("admin",),
    "database.forget": ("admin",),
    "database.connect_migrator": ("admin",),
    "database.forget_migrator": ("admin",),
    "cluster.connect": ("admin",),
    "cluster.forget": ("admin",),
    "tracker.connect": ("admin",),
    "tracker.forget": ("admin",),
    "tracker.import_issue": ("product_owner",),
    "tracker.note_update": (AGENT,),
    "run.queue": (SYSTEM,),
    "run.take": (AGENT,),
    "run.advance": (AGENT,),
    "run.finish_step": (AGENT,),
    "run.close_step": (SYSTEM,),
    "run.begin_applying": (AGENT,),
    "run.tell_applied": (AGENT,),
    "run.end": (AGENT,),
    "run.postpone": (AGENT,),
    "run.refuse_tool": (AGENT,),
    "run.put_back": (AGENT,),
    "run.let_go": (AGENT,),
    "run.forget_workspace": (SYSTEM,),
    "run.cancel": ("admin", "product_owner", *BUILDERS, SYSTEM),
    "run.wake": (SYSTEM,),
    "run.refuse_budget": (SYSTEM,),
    "run.retry": ("admin", "product_owner", *BUILDERS, SYSTEM),
    "change.open": (AGENT,),
    "change.propose": BUILDERS,
    "change.withdraw_hand_in": ("admin", "product_owner", *BUILDERS),
    "change.hand_over": (SYSTEM,),
    "change.settle_hand_in": (SYSTEM,),
    "change.rebase": (SYSTEM,),
    "change.merge": (SYSTEM,),
    "change.close": (SYSTEM,),
    "change.note_pull_request": (AGENT, SYSTEM),
    "change.ask_to_open_pull_request": (AGENT, SYSTEM),
    "change.ask_to_close_pull_request": (SYSTEM,),
    "change.close_pull_request": (SYSTEM,),
    "change.leave_pull_request": (SYSTEM,),
    "change.keep_waiting": (SYSTEM,),
    "change.edit_remark": ("admin", "product_owner", *BUILDERS),
    "change.withdraw_remark": ("admin", "product_owner", *BUILDERS),
    "change.read_remarks": (AGENT,),
    "change.remark": ("admin", "product_owner", *BUILDERS, AGENT),
    "change.request_revert": ("product_owner", "architect"),
    "change.revert": (SYSTEM,),
    "change.fail_revert": (SYSTEM,),
    "change.doubt_revert": (SYSTEM,),
    "ci.record": (AGENT, SYSTEM),
    "proposal.ask": ("admin", "product_owner", "architect"),
    "proposal.keep": (AGENT,),
    "proposal.fail": (SYSTEM,),
    "proposal.decide": ("product_owner",),
    "proposal.carry_out": (SYSTEM,),
    "incident.open": ("admin", "product_owner", *BUILDERS),
    "incident.add_evidence": ("admin", "product_owner", *BUILDERS),
    "incident.ask_triage": ("admin", "product_owner", *BUILDERS),
    "incident.report": (AGENT,),
    "incident.settle_remedy": (SYSTEM,),
    "incident.close": ("admin", "product_owner", *BUILDERS),
}
"""Per action: members' roles, agents, and the platform's own parts."""
PREFIXES = (
    "agent.",
    "repository.",
    "cluster.",
    "database.",
    "secret.",
    "tracker.",
    "run.",
    "change.",
    "ci.",
    "incident.",
    "proposal.",
)


def check_agent_action(context: ActionContext) -> None:
    """Registered with the kernel. An action of this room that nobody is named for is nobody's."""
    if not context.name.startswith(PREFIXES):
        return
    allowed = GRANTS.get(context.name, ())
    if not _held(context.actor) & set(allowed):
        raise Denied(f"{context.name} is for {', '.join(allowed).replace('_', ' ') or 'nobody'}.")


def may_connect(actor: Actor) -> bool:
    """Whether `actor` may connect repositories; asked before anything is tried with a token."""
    return may(actor, "repository.connect")


def may(actor: Actor, action: str) -> bool:
    """Whether `actor` has a role that an action of this room is for; asked before anything is tried with a secret."""
    return bool(_held(actor) & set(GRANTS[action]))


def _held(actor: Actor) -> frozenset[str]:
    if actor.kind == ActorKind.AGENT:
        return frozenset({AGENT})
    return frozenset({SYSTEM}) if actor.kind == ActorKind.SYSTEM else actor.roles
