"""What a state machine is here: a table of transitions, and one way to ask it what an actor may do and why not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from workflows.machines.facts import Given, Who

FEEDBACK_MIN = 10
"""Characters that a rejection says at least, spaces at the ends not counted."""

AGENT_ROLES = frozenset({"architect", "developer", "qa", "devops", "data", "planner"})
"""The only roles that count when an agent holds them."""

ROLE_WORDS = {
    "admin": "an admin",
    "product_owner": "a product owner",
    "architect": "an architect",
    "developer": "a developer",
    "qa": "a QA member",
    "devops": "a DevOps member",
    "data": "a data member",
    "viewer": "a viewer",
    "client": "a client",
    "planner agent": "a planner agent",
    "system": "the platform itself",
    "implementer": "the one who implements it",
    "reviewer": "the one who reviews it",
    "tester": "the one who tests it",
    "claimant": "the one who holds the claim",
}


class HasState(Protocol):
    """Facts about one row; `standing` are the parts that an actor has in it, such as `reviewer`."""

    @property
    def state(self) -> str: ...

    def standing(self, who: Who) -> frozenset[str]: ...


F = TypeVar("F", bound=HasState)


class RefusalKind(StrEnum):
    """Why an action is refused; decides the error that a caller gets."""

    UNKNOWN = "unknown"
    STATE = "state"
    WHO = "who"
    INPUT = "input"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason in plain words; `field` names the input it is about, if any."""

    kind: RefusalKind
    reason: str
    field: str = ""


@dataclass(frozen=True)
class Guard(Generic[F]):
    """A rule of the table. `check` returns the reason for refusing, or None.

    `text` is the rule as the documents print it. A guard that `needs` an input is asked only when the act is carried
    out, not when actions are offered. `kind` is WHO for rules about persons, RULE for the rest.
    """

    name: str
    text: str
    check: Callable[[F, Who, Given], str | None]
    kind: RefusalKind = RefusalKind.RULE
    needs: str = ""


@dataclass(frozen=True)
class Transition(Generic[F]):
    """One row of a machine's table.

    `who` holds roles, `system`, `planner agent` and standings (`implementer`, `reviewer`, `tester`, `claimant`);
    `decided_by` names another door through which the act is done; `effect` is what else the act does, in words.
    """

    action: str
    label: str
    sources: tuple[str, ...]
    target: str
    who: tuple[str, ...]
    feedback: bool = False
    guards: tuple[Guard[F], ...] = ()
    decided_by: str = ""
    effect: str = ""

    @property
    def automatic(self) -> bool:
        """Whether only the platform does it."""
        return self.who == ("system",)

    @property
    def needs(self) -> tuple[str, ...]:
        """Inputs that the act asks for."""
        asked = [guard.needs for guard in self.guards if guard.needs]
        return tuple(dict.fromkeys([*(["feedback"] if self.feedback else []), *asked]))


@dataclass(frozen=True, slots=True)
class Offer:
    """What one actor may do now with one row, and if not, why not."""

    action: str
    label: str
    target: str
    allowed: bool
    reasons: tuple[str, ...]
    needs: tuple[str, ...]
    automatic: bool
    decided_by: str


@dataclass(frozen=True)
class Machine(Generic[F]):
    """States in their natural order and the table of what leads from one to another."""

    name: str
    initial: str
    states: dict[str, str]
    terminal: frozenset[str]
    transitions: tuple[Transition[F], ...] = field(repr=False)

    def __post_init__(self) -> None:
        seen: set[tuple[str, str]] = set()
        for row in self.transitions:
            for source in row.sources:
                if (source, row.action) in seen or {source, row.target} - self.states.keys():
                    raise ValueError(f"{self.name}: row {source} --{row.action}--> {row.target} is doubled or unknown")
                seen.add((source, row.action))

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of all actions, once each, in table order."""
        return tuple(dict.fromkeys(row.action for row in self.transitions))

    def row(self, state: str, action: str) -> Transition[F] | None:
        """The row for `action` from `state`, if the table has one."""
        return next((row for row in self.transitions if row.action == action and state in row.sources), None)

    def leaving(self, state: str) -> tuple[Transition[F], ...]:
        """All rows that lead away from `state`, in table order."""
        return tuple(row for row in self.transitions if state in row.sources)

    def target(self, state: str, action: str) -> str:
        """Where `action` leads from `state`. Raises ValueError where the table has no such row."""
        row = self.row(state, action)
        if row is None:
            raise ValueError(f"{self.name}: no {action} from {state}")
        return row.target


def refusals(machine: Machine[F], action: str, facts: F, who: Who, given: Given) -> list[Refusal]:
    """Everything that stands against `who` doing `action` now with these inputs; empty when it may happen."""
    if action not in machine.actions:
        known = ", ".join(machine.actions)
        return [Refusal(RefusalKind.UNKNOWN, f"A {machine.name} has no action “{action}”; it has {known}.", "action")]
    row = machine.row(facts.state, action)
    if row is None:
        return [Refusal(RefusalKind.STATE, _wrong_state(machine, action, facts.state))]
    against = _standing_refusals(row, facts, who)
    if row.feedback and len(given.feedback.strip()) < FEEDBACK_MIN:
        reason = f"Say why in at least {FEEDBACK_MIN} characters; this has {len(given.feedback.strip())}."
        against.append(Refusal(RefusalKind.INPUT, reason, "feedback"))
    for guard in row.guards:
        if guard.needs and (reason_ := guard.check(facts, who, given)):
            against.append(Refusal(guard.kind, reason_, guard.needs))
    return against


def allowed_actions(machine: Machine[F], facts: F, who: Who) -> list[Offer]:
    """All actions that lead away from the present state, each with the reasons for which `who` may not do it now."""
    offers = []
    for row in machine.leaving(facts.state):
        reasons = tuple(refusal.reason for refusal in _standing_refusals(row, facts, who))
        offers.append(
            Offer(
                action=row.action,
                label=row.label,
                target=row.target,
                allowed=not reasons,
                reasons=reasons,
                needs=row.needs,
                automatic=row.automatic,
                decided_by=row.decided_by,
            )
        )
    return offers


def held_by(who: Who) -> frozenset[str]:
    """The table's grants that an actor holds by kind and role; roles that an agent cannot hold count for nothing."""
    if who.kind == "system":
        return frozenset({"system"})
    if who.kind == "agent":
        roles = who.roles & AGENT_ROLES
        return (roles - {"planner"}) | ({"planner agent"} if "planner" in roles else set())
    return who.roles - {"system", "planner", "planner agent"} if who.kind == "person" else frozenset()


def either(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _standing_refusals(row: Transition[F], facts: F, who: Who) -> list[Refusal]:
    against = []
    if not (held_by(who) | facts.standing(who)) & set(row.who):
        reason = f"“{row.label}” is for {either(ROLE_WORDS[word] for word in row.who)}."
        against.append(Refusal(RefusalKind.WHO, reason))
    for guard in row.guards:
        if not guard.needs and (why := guard.check(facts, who, Given())):
            against.append(Refusal(guard.kind, why))
    return against


def _wrong_state(machine: Machine[F], action: str, state: str) -> str:
    sources = [machine.states[source] for row in machine.transitions if row.action == action for source in row.sources]
    possible = [row.action for row in machine.leaving(state)]
    now = f"This {machine.name} is in “{machine.states[state]}”; {action} is for “{'”, “'.join(sources)}”."
    return f"{now} Possible now: {', '.join(possible)}." if possible else f"{now} Nothing leads away from there."
