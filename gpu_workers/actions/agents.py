"""Agents of a tenant: who there is, which model and prompts they use, how far they may go, who rests."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.routing import route_names
from gpu_workers.agent_events import AgentCapped, AgentEdited, AgentRested, AgentWoken
from gpu_workers.events import AgentRegistered
from gpu_workers.models import Agent
from gpu_workers.models.agent import KIND_ROLES, AutonomyLevel
from gpu_workers.prompts import newest, versions_of
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.reasons import checked_reason, reason_problems
from guildhall.kernel.versions import check_version

NAME = re.compile(r"[a-z][a-z0-9-]{1,39}\Z")
RESERVED = ("new",)
"""Addresses beside those of agents."""
ICONS = {
    "developer": "hammer",
    "data": "needle",
    "architect": "ruler-2",
    "qa": "microscope",
    "devops": "chess-rook",
    "planner": "feather",
}
"""The sign of a role's craft, where no other is asked for."""
EDITED = ("title", "route", "prompt_version")


@dataclass(frozen=True, slots=True)
class NewAgent:
    """An agent to be: `name` is how everything refers to it, for good.

    An empty `role` is the first of its kind, an empty `prompt_version` the newest that is shipped for it.
    """

    name: str
    title: str
    kind: str
    role: str = ""
    route: str = "code"
    autonomy_cap: str = AutonomyLevel.L3
    prompt_version: str = ""
    icon: str = ""


@governed("agent.register", lock=None)
def register_agent(*, actor: Actor, new: NewAgent) -> Agent:
    """Add an agent with exactly one role. Raises `Invalid` with the fields, `Conflict` when the name is taken."""
    role = new.role or KIND_ROLES.get(new.kind, ("",))[0]
    version = new.prompt_version or newest(new.kind)
    problems = _problems(new.kind, {"title": new.title, "route": new.route, "prompt_version": version})
    if not NAME.match(new.name) or new.name in RESERVED:
        problems["name"] = ["Use 2 to 40 lower-case letters, digits and hyphens, a letter first; new is no name."]
    if new.kind not in KIND_ROLES:
        problems["kind"] = [f"Choose one of {', '.join(KIND_ROLES)}."]
    elif role not in KIND_ROLES[new.kind]:
        problems["role"] = [f"An agent of the kind {new.kind} is one of {', '.join(KIND_ROLES[new.kind])}."]
    if new.autonomy_cap not in AutonomyLevel.values:
        problems["autonomy_cap"] = [f"Choose one of {', '.join(AutonomyLevel.values)}."]
    _refuse("The agent was not registered.", problems)
    values = {name: getattr(new, name) for name in ("name", "kind", "autonomy_cap", "route")}
    values |= {"title": new.title.strip(), "role": role, "icon": new.icon or ICONS[role], "prompt_version": version}
    with taken_raises(Conflict(f"There is an agent {new.name!r} already.")):
        agent = Agent.objects.create(**values)
    agent.refresh_from_db()
    record(AgentRegistered(subject=agent.ref, name=agent.name, role=role), actor=actor, after=values)
    return agent


@governed("agent.edit", lock="agent")
def edit_agent(*, actor: Actor, agent: Agent, changes: Mapping[str, str], version: int | None = None) -> Agent:
    """Change an agent's title, model route or prompts; runs that workers take up from now on heed it.

    What was queued before keeps the prompts of that time. Raises `Stale` when it is not at `version`, `Invalid` with the fields.
    """
    check_version(agent, version)
    problems = _problems(agent.kind, changes)
    problems |= {name: ["This is not changed here."] for name in changes if name not in EDITED}
    _refuse("The agent was not changed.", problems)
    wanted = {name: value.strip() for name, value in changes.items()}
    before = {name: getattr(agent, name) for name, value in wanted.items() if getattr(agent, name) != value}
    if not before:
        raise Invalid("The agent was not changed.", fields={name: ["This is so already."] for name in wanted})
    after = {name: wanted[name] for name in before}
    keep(agent, after)
    record(
        AgentEdited(subject=agent.ref, name=agent.name, fields=sorted(after)), actor=actor, before=before, after=after
    )
    return agent


@governed("agent.set_cap", lock="agent")
def set_cap(*, actor: Actor, agent: Agent, cap: str, reason: str, version: int | None = None) -> Agent:
    """Set the highest autonomy (`L0` to `L3`) at which the agent acts; its next step heeds it. Raises `Invalid`, `Stale`."""
    check_version(agent, version)
    problems = {"reason": found} if (found := reason_problems(reason)) else {}
    if cap not in AutonomyLevel.values:
        problems["cap"] = [f"Choose one of {', '.join(AutonomyLevel.values)}."]
    _refuse("The agent's autonomy was not changed.", problems)
    before = {"autonomy_cap": agent.autonomy_cap}
    keep(agent, {"autonomy_cap": cap})
    event = AgentCapped(subject=agent.ref, name=agent.name, cap=cap, reason=reason.strip())
    record(event, actor=actor, reason=reason.strip(), before=before, after={"autonomy_cap": cap})
    return agent


@governed("agent.rest", lock="agent")
def rest_agent(*, actor: Actor, agent: Agent, reason: str, version: int | None = None) -> Agent:
    """Give an agent no new work. What it has in hand goes on to its end; a kill switch is what stops that.

    Raises `Conflict` when it rests already, `Invalid` without a reason, `Stale`.
    """
    check_version(agent, version)
    if not agent.active:
        raise Conflict(f"{agent.title} rests already.")
    why = checked_reason(reason)
    keep(agent, {"active": False})
    event = AgentRested(subject=agent.ref, name=agent.name, reason=why)
    record(event, actor=actor, reason=why, before={"active": True}, after={"active": False})
    return agent


@governed("agent.wake", lock="agent")
def wake_agent(*, actor: Actor, agent: Agent, version: int | None = None) -> Agent:
    """Give a resting agent work again. Raises `Conflict` when it does not rest, `Stale`."""
    check_version(agent, version)
    if agent.active:
        raise Conflict(f"{agent.title} is at work already.")
    keep(agent, {"active": True})
    event = AgentWoken(subject=agent.ref, name=agent.name)
    record(event, actor=actor, before={"active": False}, after={"active": True})
    return agent


def keep(agent: Agent, changed: Mapping[str, str | bool]) -> None:
    """Save what was changed of a locked agent, and which prompts it had before where those are changed."""
    if "prompt_version" in changed:
        changed = {**changed, "previous_prompts": agent.prompt_version}
    for name, value in changed.items():
        setattr(agent, name, value)
    agent.version += 1
    agent.save(update_fields=[*changed, "version"])


def _problems(kind: str, values: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong about values of `EDITED`, by field."""
    problems: dict[str, list[str]] = {}
    if "title" in values and not 1 <= len(values["title"].strip()) <= 60:
        problems["title"] = ["Give a name of 1 to 60 characters."]
    if "route" in values and values["route"] not in (known := route_names()):
        problems["route"] = [f"Choose one of {', '.join(known)}."]
    if "prompt_version" in values and values["prompt_version"] not in (shipped := versions_of(kind)):
        problems["prompt_version"] = [
            f"Choose one of {', '.join(shipped) or 'none: there are no prompts of this kind'}."
        ]
    return problems


def _refuse(said: str, problems: dict[str, list[str]]) -> None:
    if problems:
        raise Invalid(said, fields=problems)
