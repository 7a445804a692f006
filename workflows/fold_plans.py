"""Sprints, strategies, epics, firings, decisions and councils as their events tell them."""

from dataclasses import dataclass, replace

from guildhall.kernel.events import Event
from workflows.council_events import (
    CouncilConvened,
    CouncilWaived,
    DeliberationCompleted,
    DeliberationEntered,
    DeliberationStopped,
)
from workflows.events import DecisionMade, EpicCreated, SprintOpened, StoryTransitioned, StrategyCreated
from workflows.machines import STORY
from workflows.plan_events import (
    DecisionSuperseded,
    EpicMoved,
    FiringSettled,
    SprintClosed,
    SprintClosing,
    StrategyFired,
    StrategyMoved,
)

PLANS: tuple[type[Event], ...] = (
    SprintOpened,
    SprintClosing,
    SprintClosed,
    StrategyCreated,
    StrategyMoved,
    StrategyFired,
    FiringSettled,
    EpicCreated,
    EpicMoved,
    DecisionMade,
    DecisionSuperseded,
)
COUNCILS: tuple[type[Event], ...] = (
    CouncilConvened,
    DeliberationEntered,
    DeliberationCompleted,
    DeliberationStopped,
    CouncilWaived,
)


@dataclass(frozen=True, slots=True)
class PlanState:
    """A sprint's, strategy's, epic's or firing's state, or a decision's verdict with the decision that replaced it."""

    state: str
    superseded_by: str = ""


@dataclass(frozen=True, slots=True)
class CouncilTold:
    """`winner` is a seat's letter; `stands` until its story is planned anew."""

    story: str
    about: str
    state: str = "convened"
    phase: str = ""
    winner: str = ""
    decision: str = ""
    stands: bool = True
    waived: bool = False


def plan_of(event: Event) -> str:
    """Whose state one of `PLANS` tells, as a reference; a firing's is `firing:<strategy>.<number>`."""
    if isinstance(event, (StrategyFired, FiringSettled)):
        return f"firing:{event.subject.partition(':')[2]}.{event.number}"
    return event.subject


def plan_told(event: Event, before: PlanState | None) -> PlanState:
    """The state once one of `PLANS` has happened."""
    match event:
        case SprintOpened() | EpicCreated():
            return PlanState("open")
        case SprintClosing():
            return PlanState("closing")
        case SprintClosed():
            return PlanState("closed")
        case StrategyCreated():
            return PlanState("active")
        case StrategyMoved() | EpicMoved():
            return PlanState(event.to_state)
        case StrategyFired() | FiringSettled():
            return PlanState(event.state)
        case DecisionMade():
            return PlanState(event.verdict)
        case DecisionSuperseded():
            return replace(before or PlanState(""), superseded_by=f"decision:{event.by}")
    raise TypeError(f"{event.kind} tells no plan's state")


def council_told(event: Event, before: CouncilTold | None) -> CouncilTold:
    """The council once one of `COUNCILS` has happened to it."""
    council = before or CouncilTold("", "")
    match event:
        case CouncilConvened():
            return CouncilTold(event.story, event.about)
        case DeliberationEntered():
            return replace(council, state="deliberating", phase=event.phase)
        case DeliberationCompleted():
            return replace(council, state="completed", winner=event.winner, decision=event.decision)
        case DeliberationStopped():
            return replace(council, state="stopped")
        case CouncilWaived():
            return replace(council, waived=True)
    raise TypeError(f"{event.kind} tells nothing of a council")


def planned_anew(councils: dict[str, CouncilTold], event: StoryTransitioned) -> None:
    """A story that goes back to its first state has its councils stand for nothing any more."""
    if event.to_state == STORY.initial:
        for ref, council in councils.items():
            if council.story == event.story:
                councils[ref] = replace(council, stands=False)
