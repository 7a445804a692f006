"""Task drafts, and what is wrong with a list of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

Node = TypeVar("Node", int, str)

ROLES = ("developer", "devops", "data")
"""Roles that a task can be planned for: those that may claim one."""

SIZES = ("XS", "S", "M", "L", "XL")
RISKS = ("low", "medium", "high")
TITLE_MIN, TITLE_MAX = 3, 120
MAX_TASKS = 20


@dataclass(frozen=True, slots=True)
class Planning:
    """What of a story planning looks at. `roles` are those that somebody in the tenant can fill; `standing` are tasks of
    an earlier plan that stay, so that only what is missing is planned."""

    ref: str
    title: str
    brief: str
    acceptance: tuple[str, ...]
    size: str = "S"
    evidence: str = ""
    roles: tuple[str, ...] = ROLES
    standing: tuple["Standing", ...] = ()

    @property
    def open_criteria(self) -> tuple[str, ...]:
        """Criteria that no standing task answers for; all of them where each is answered for and more is wanted."""
        answered = {line for task in self.standing for line in task.acceptance}
        return tuple(line for line in self.acceptance if line not in answered) or self.acceptance


@dataclass(frozen=True, slots=True)
class Standing:
    """A task of an earlier plan that is done or under way, and stays: `how` says which."""

    ref: str
    title: str
    how: str
    acceptance: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskDraft:
    """A proposed task.

    `depends_on` holds 1-based positions in the same list, `needs` references of tasks that the story has already;
    `acceptance` are the criteria that it answers for; `repository` names the one of the project's that it changes, "" its
    primary one.
    """

    title: str
    role: str
    acceptance: tuple[str, ...] = ()
    depends_on: tuple[int, ...] = ()
    size: str = "S"
    risk: str = "low"
    repository: str = ""
    needs: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For storing and showing; JSON types only."""
        lists = {"acceptance": list(self.acceptance), "depends_on": list(self.depends_on), "needs": list(self.needs)}
        return {**asdict(self), **lists}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "TaskDraft":
        """The draft of a stored or submitted dictionary. Raises ValueError when a key is unknown or of a wrong type."""
        unknown = set(raw) - {"title", "role", "acceptance", "depends_on", "size", "risk", "repository", "needs"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        texts = {key: raw.get(key, default) for key, default in _TEXTS.items()}
        if not all(isinstance(value, str) for value in texts.values()):
            raise ValueError(f"{', '.join(_TEXTS)} are text")
        criteria, before, needs = raw.get("acceptance", []), raw.get("depends_on", []), raw.get("needs", [])
        if not isinstance(criteria, list) or not all(isinstance(line, str) for line in criteria):
            raise ValueError("acceptance is a list of texts")
        if not isinstance(before, list) or not all(type(number) is int for number in before):
            raise ValueError("depends_on is a list of task numbers")
        if not isinstance(needs, list) or not all(isinstance(reference, str) for reference in needs):
            raise ValueError("needs is a list of references")
        return cls(**texts, acceptance=tuple(criteria), depends_on=tuple(before), needs=tuple(needs))


_TEXTS = {"title": "", "role": "", "size": "S", "risk": "low", "repository": ""}


def problems_of(drafts: Sequence[TaskDraft], *, criteria: Sequence[str] = ()) -> list[str]:
    """Everything that keeps these drafts from becoming tasks, in words; `criteria` must each be answered for by one."""
    if not drafts:
        return ["A plan needs at least one task."]
    if len(drafts) > MAX_TASKS:
        return [f"A plan has at most {MAX_TASKS} tasks; this has {len(drafts)}."]
    found = [problem for n, draft in enumerate(drafts, 1) for problem in _draft_problems(n, draft, len(drafts))]
    firsts: dict[str, int] = {}
    for n, draft in enumerate(drafts, 1):
        first = firsts.setdefault(draft.title.strip().casefold(), n)
        if first < n:
            found.append(f"Task {n} repeats the title of task {first}.")
    covered = {line for draft in drafts for line in draft.acceptance}
    found += [f"No task answers for criterion {n}: {line}" for n, line in enumerate(criteria, 1) if line not in covered]
    cycle = find_cycle({number: draft.depends_on for number, draft in enumerate(drafts, 1)})
    if cycle:
        named = " -> ".join(f"{n} ({drafts[n - 1].title})" for n in [*cycle, cycle[0]])
        found.append(f"Tasks wait for each other in a circle: {named}.")
    return found


def strange_needs(drafts: Sequence[TaskDraft], stand: Collection[str]) -> list[str]:
    """What these drafts need of tasks that are none of `stand`, the references that they may name; in words."""
    choice = f"choose from {', '.join(stand)}" if stand else "the story has none"
    return [
        f"Task {number} needs {', '.join(strange)[:200]}: not a task of this story that stays; {choice}."
        for number, draft in enumerate(drafts, 1)
        if (strange := [reference for reference in draft.needs if reference not in stand])
    ]


def _draft_problems(number: int, draft: TaskDraft, count: int) -> list[str]:
    found = []
    if not TITLE_MIN <= len(draft.title.strip()) <= TITLE_MAX:
        found.append(f"Task {number}: a title has {TITLE_MIN} to {TITLE_MAX} characters.")
    for name, value, choices in (("role", draft.role, ROLES), ("size", draft.size, SIZES), ("risk", draft.risk, RISKS)):
        if value not in choices:
            found.append(f"Task {number}: {name} “{value[:40]}” is not one of {', '.join(choices)}.")
    strange = [str(other) for other in draft.depends_on if not 1 <= other <= count]
    if strange:
        found.append(f"Task {number}: depends on task {', '.join(strange)}, which is not in the plan.")
    return found


def find_cycle(edges: Mapping[Node, Sequence[Node]]) -> tuple[Node, ...]:
    """The first circle in a graph of what waits for what, as the nodes along it; empty when there is none."""
    finished: set[Node] = set()
    for start in edges:
        path: list[Node] = [start]
        pending = [iter(edges.get(start, ()))]
        while pending:
            following = next(pending[-1], None)
            if following is None:
                pending.pop()
                finished.add(path.pop())
            elif following in path:
                return tuple(path[path.index(following) :])
            elif following not in finished:
                path.append(following)
                pending.append(iter(edges.get(following, ())))
    return ()
