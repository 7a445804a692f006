"""What may be done with strategies, epics, sprints and decisions, as data: API, pages and actions read this table."""

from dataclasses import dataclass

from workflows.machines.core import ROLE_WORDS, Offer, either, held_by
from workflows.machines.facts import Who


@dataclass(frozen=True, slots=True)
class PlanAct:
    """One act: from which states, where it leads ("" when the state stays) and what it asks for."""

    name: str
    label: str
    states: tuple[str, ...]
    target: str = ""
    needs: tuple[str, ...] = ()


PLAN_ACTS: dict[str, tuple[PlanAct, ...]] = {
    "strategy": (
        PlanAct("edit", "Edit", ("active", "paused")),
        PlanAct("set_schedule", "Set the schedule", ("active", "paused")),
        PlanAct("pause", "Pause", ("active",), "paused"),
        PlanAct("resume", "Resume", ("paused",), "active"),
        PlanAct("end", "End", ("active", "paused"), "ended"),
    ),
    "epic": (
        PlanAct("edit", "Edit", ("open",)),
        PlanAct("close", "Close", ("open",), "closed"),
        PlanAct("reopen", "Reopen", ("closed",), "open"),
    ),
    "sprint": (
        PlanAct("edit", "Edit", ("open",)),
        PlanAct("close", "Close the sprint", ("open",), "closed"),
    ),
    "decision": (
        PlanAct("edit", "Edit", ("proposed",)),
        PlanAct("approve", "Approve", ("proposed",), "approved"),
        PlanAct("reject", "Reject", ("proposed",), "rejected", ("feedback",)),
        PlanAct("supersede", "Supersede", ("approved",), "approved", ("by",)),
    ),
}


def act_of(kind: str, name: str) -> PlanAct:
    """The act of this name. Raises KeyError."""
    return {act.name: act for act in PLAN_ACTS[kind]}[name]


def offers(
    kind: str, state: str, who: Who, granted: dict[str, tuple[str, ...]], against: dict[str, str]
) -> list[Offer]:
    """Every act of the kind, each with the reasons for which `who` may not do it now.

    `granted` names roles per act; `against` are further reasons per act, such as that an epic has open stories.
    """
    found = []
    for act in PLAN_ACTS[kind]:
        reasons = []
        if state not in act.states:
            reasons.append(f"This {kind} is {state}; {act.name.replace('_', ' ')} is for {' or '.join(act.states)}.")
        if not held_by(who) & set(granted[act.name]):
            reasons.append(f"“{act.label}” is for {either(ROLE_WORDS[role] for role in granted[act.name])}.")
        if reason := against.get(act.name):
            reasons.append(reason)
        found.append(
            Offer(
                action=act.name,
                label=act.label,
                target=act.target or state,
                allowed=not reasons,
                reasons=tuple(reasons),
                needs=act.needs,
                automatic=False,
                decided_by="",
            )
        )
    return found
