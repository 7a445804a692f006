"""The policy document: its form, and errors that name the line."""

import re
from collections.abc import Sequence
from decimal import Decimal
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from governance.autonomy import Autonomy, Risk
from governance.scopes import ScopeKind, Window
from governance.scoring import ReputationKind


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


def _odd(value: list[str]) -> list[str]:
    if len(value) % 2 == 0:
        raise ValueError("give an odd number of seats, 3 to 7, so that there is a majority")
    return value


def _once(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise ValueError("name each subject once")
    return value


Regex = Annotated[str, AfterValidator(_regex)]
Role = Literal["admin", "product_owner", "architect", "developer", "qa", "devops", "data"]
Kind = Literal[
    "agent_action",
    "scope",
    "plan",
    "merge",
    "deployment",
    "budget_override",
    "policy_change",
    "secret_access",
    "blueprint_apply",
]
AgentRole = Literal["architect", "developer", "qa", "devops", "data", "planner"]
CouncilSubject = Literal["plan", "design", "solution"]
_RANK = {Risk.LOW: 0, Risk.MEDIUM: 1, Risk.HIGH: 2}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Files(_Section):
    allow: list[str]
    deny: list[str]


class Commands(_Section):
    deny: list[Regex]


class FileRisk(_Section):
    pattern: str
    risk: Risk


class RiskRules(_Section):
    unlabelled: Risk
    labels: dict[str, Risk]
    files: list[FileRisk]


class Quorum(_Section):
    low: int = Field(ge=1, le=9)
    medium: int = Field(ge=1, le=9)
    high: int = Field(ge=1, le=9)


class Approvals(_Section):
    quorum: Quorum
    expires_hours: int = Field(ge=1, le=24 * 30)
    unexecuted_alarm_minutes: int = Field(ge=1, le=24 * 60)
    roles: dict[Kind, Annotated[list[Role], Field(min_length=1)]]


class AutonomyRules(_Section):
    highest: int = Field(ge=0, le=3)


class Budget(_Section):
    scope: ScopeKind
    window: Window
    usd: Decimal = Field(ge=0, max_digits=20, decimal_places=10)


class RunLimits(_Section):
    fixer_rounds: int = Field(ge=0, le=10)
    steps: int = Field(ge=1, le=1000)
    minutes: int = Field(ge=1, le=24 * 60)
    tokens: int = Field(ge=1)


class Councils(_Section):
    """Who deliberates, on what before agents begin a story, and from which autonomy on the result is approved at once."""

    seats: Annotated[list[AgentRole], Field(min_length=3, max_length=7), AfterValidator(_odd)]
    held_on: Annotated[list[CouncilSubject], AfterValidator(_once)]
    approved_from: int = Field(ge=0, le=4)


class PolicyDocument(_Section):
    """One tenant's policy. Every section but the councils is required: what is not said is not allowed.

    Without a section of councils none is held and no story waits for one, as in policies from before there were any.
    """

    format: Literal[1]
    files: Files
    commands: Commands
    tools: dict[Literal["all", "architect", "developer", "qa", "devops", "data", "planner"], list[str]]
    risk: RiskRules
    approvals: Approvals
    autonomy: AutonomyRules
    budgets: list[Budget]
    reputation: dict[ReputationKind, int]
    runs: RunLimits
    councils: Councils = Councils(seats=["architect", "developer", "qa"], held_on=[], approved_from=3)

    def may_touch(self, path: str) -> bool:
        """Whether a file at `path` (relative, forward slashes) may be written; a denied glob wins."""
        if path.startswith("/") or ".." in path.split("/"):
            return False
        return _matches(path, self.files.allow) and not _matches(path, self.files.deny)

    def denied_command(self, command: str) -> str | None:
        """The first pattern that forbids `command`, or None."""
        return next((pattern for pattern in self.commands.deny if re.search(pattern, command)), None)

    def tools_of(self, role: str) -> frozenset[str]:
        """Tools that an agent of `role` may call; a role that the policy does not name gets none."""
        own: dict[str, list[str]] = {str(name): tools for name, tools in self.tools.items()}
        return frozenset([*own.get("all", ()), *own[role]]) if role in own and role != "all" else frozenset()

    def risk_of(self, labels: Sequence[str], paths: Sequence[str]) -> Risk:
        """The highest risk that any label or touched file gives."""
        found = [self.risk.labels[label] for label in labels if label in self.risk.labels]
        found += [rule.risk for rule in self.risk.files for path in paths if _matches(path, [rule.pattern])]
        return max(found, key=_RANK.__getitem__, default=self.risk.unlabelled)

    def quorum(self, risk: Risk) -> int:
        """How many distinct people must approve at `risk`."""
        return int(getattr(self.approvals.quorum, risk))

    def deciders(self, kind: str) -> list[str]:
        """Roles that may decide approvals of `kind`; none when the policy does not name the kind."""
        roles: dict[str, list[Role]] = {str(name): given for name, given in self.approvals.roles.items()}
        return list(roles.get(kind, ()))

    @property
    def highest_autonomy(self) -> Autonomy:
        return Autonomy(self.autonomy.highest)


class PolicyError(ValueError):
    """A policy text that is not a policy. `problems` holds (line, message), lines counted from 1."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"line {line}: {message}" for line, message in problems))
        self.problems = problems


def parse_policy(text: str) -> PolicyDocument:
    """The policy in `text` (YAML). Raises `PolicyError` with the line of every problem."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise PolicyError([(1, "the policy is empty")])
        _refuse_repeats(root)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PolicyError([(mark.line + 1 if mark else 1, error.problem or "not YAML")]) from None
    except yaml.YAMLError as error:
        raise PolicyError([(1, f"not YAML: {error}")]) from None
    try:
        return PolicyDocument.model_validate(data)
    except ValidationError as error:
        problems = [(_line(root, e["loc"]), f"{_path(e['loc'])}: {e['msg']}") for e in error.errors()]
        raise PolicyError(sorted(problems)) from None


def _refuse_repeats(node: yaml.Node) -> None:
    """YAML keeps the last of two equal keys without a word; in a policy the first would be lost silently."""
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_repeats(child)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise PolicyError([(key.start_mark.line + 1, f"{key.value} is given twice")])
            seen.add(key.value)
            _refuse_repeats(value)


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part != "[key]") or "policy"


def _line(node: yaml.Node, location: tuple[int | str, ...]) -> int:
    """Line of the deepest node on the way to `location`; a missing key is its parent's line."""
    line = node.start_mark.line + 1
    for part in location:
        child: Any = None
        if isinstance(node, yaml.MappingNode):
            child = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if child is None:
                return line
            line, node = child[0].start_mark.line + 1, child[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    # `**/x` is also `x` at the top, as in .gitignore files; case never lets a file slip through.
    parts = [translate(p).removesuffix(r"\Z").removesuffix(r"\z") for p in pattern.split("**/")]
    return re.compile("(?:.*/)?".join(parts) + r"\Z", re.IGNORECASE)


def _matches(path: str, globs: Sequence[str]) -> bool:
    return any(_glob(pattern).match(path) for pattern in globs)
