"""Moving agents to the newest of the prompts that are shipped for their kind, and back to those that they had before."""

from enum import StrEnum

from gpu_workers.actions.agents import keep
from gpu_workers.agent_events import AgentPromptsMoved
from gpu_workers.models import Agent
from gpu_workers.prompts import newest, versions_of
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.versions import check_version


class Prompts(StrEnum):
    """Which prompts an agent is moved to."""

    NEWEST = "newest"
    PREVIOUS = "previous"


@governed("agent.move_prompts", lock="agent")
def move_prompts(*, actor: Actor, agent: Agent, to: str, version: int | None = None) -> Agent:
    """Have an agent told its newest prompts, or those before its last change; what was queued before keeps its own.

    Raises `Stale` when the agent is not at `version`, `Conflict` when there is nothing to move it to, `Invalid`.
    """
    check_version(agent, version)
    wanted = version_after(agent, _direction(to))
    if not wanted:
        newest_ = f"{agent.title} has the newest prompts of its kind already."
        raise Conflict(newest_ if to == Prompts.NEWEST else f"{agent.title} had no other prompts before.")
    _move(actor, agent, wanted)
    return agent


@governed("agent.move_all_prompts", lock=None)
def move_all_prompts(*, actor: Actor, to: str) -> list[Agent]:
    """Have every agent that has older prompts told the newest, or all that came to them from older ones told those again.

    Those that this concerns are moved together and returned, by name; what they had is in `previous_prompts`. Raises
    `Conflict` when there are none, `Invalid`.
    """
    direction = _direction(to)
    agents = Agent.objects.select_for_update(no_key=True).order_by("name")
    moved = [agent for agent in agents if concerned(agent, direction)]
    if not moved:
        newest_ = "Every agent has the newest prompts of its kind already."
        raise Conflict(newest_ if direction is Prompts.NEWEST else "No agent came to its newest prompts from others.")
    for agent in moved:
        _move(actor, agent, version_after(agent, direction))
    return moved


def version_after(agent: Agent, direction: Prompts) -> str:
    """The version that an agent would be moved to; "" where it stays."""
    last = newest(agent.kind)
    wanted = last if direction is Prompts.NEWEST else agent.previous_prompts
    return wanted if wanted != agent.prompt_version and wanted in versions_of(agent.kind) else ""


def concerned(agent: Agent, direction: Prompts) -> bool:
    """Whether moving all moves this one; one that somebody put back to older prompts stays when all are put back."""
    at_newest = agent.prompt_version == newest(agent.kind)
    return bool(version_after(agent, direction)) and at_newest is (direction is Prompts.PREVIOUS)


def _direction(to: str) -> Prompts:
    if to not in list(Prompts):
        raise Invalid("No prompts were moved.", fields={"to": [f"Choose one of {', '.join(Prompts)}."]})
    return Prompts(to)


def _move(actor: Actor, agent: Agent, wanted: str) -> None:
    was = agent.prompt_version
    keep(agent, {"prompt_version": wanted})
    event = AgentPromptsMoved(subject=agent.ref, name=agent.name, was=was, now=wanted)
    record(event, actor=actor, before={"prompt_version": was}, after={"prompt_version": wanted})
