"""What a kill switch can be aimed at: what does not exist is refused, or somebody would believe that it had stopped."""

from governance.models.holds import HoldKind
from governance.scopes import ScopeKind
from governance.spenders import Known, spends
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid

MAY_PAUSE = ("admin", "product_owner", "devops")
ACCEPTED = {
    HoldKind.AGENT: "the name of one of your agents, such as agent:mason",
    HoldKind.STRATEGY: "the number of one of your strategies, such as 7 or strategy:7",
    HoldKind.RUN: "the number of one of your runs, such as 318 or run:318",
}
_SPENDERS = {HoldKind.STRATEGY: ScopeKind.STRATEGY, HoldKind.RUN: ScopeKind.RUN}
_agents: list[Known] = []


def register_agents(known: Known) -> None:
    """Name the one look-up of agents, by their names."""
    _agents[:] = [known]


def may_pause(actor: Actor) -> bool:
    """Whether `actor` may place and lift kill switches."""
    return actor.has_role(*MAY_PAUSE)


def hold_target(*, actor: Actor, kind: str, target: str) -> str:
    """`target` as holds name it: `agent:mason`, the number of a strategy or a run. Raises `Invalid` where there is none.

    Whoever may not place a hold is told nothing of what exists: they get it back as it is, and are refused later.
    """
    if kind not in ACCEPTED or not target or not may_pause(actor):
        return target
    named = HoldKind(kind)
    bare = target.removeprefix(f"{kind}:")
    if named in _SPENDERS:
        exists = bool(bare) and spends(_SPENDERS[named], bare)
    else:
        exists = any(bare in known([bare]) for known in _agents)
    if not exists:
        raise Invalid("This cannot be put on hold.", fields={"target": [f"Give {ACCEPTED[named]}."]})
    return f"agent:{bare}" if named == HoldKind.AGENT else bare
