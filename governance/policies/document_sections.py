"""The sections of a policy document: what each says, and what it must look like."""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from governance.autonomy import ActionClass, Autonomy, Environment, Risk, ceiling
from governance.policies.globs import covers, matches
from governance.policies.patterns import compiled
from governance.scopes import ScopeKind, Window
from governance.scoring import PermissionLevel

HOST = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(:\d{1,5})?")


def _regex(value: str) -> str:
    try:
        compiled(value)
    except ValueError as error:
        raise ValueError(f"not a regular expression that can be used here (RE2): {error}") from None
    return value


def _odd(value: list[str]) -> list[str]:
    if len(value) % 2 == 0:
        raise ValueError("give an odd number of seats, 3 to 7, so that there is a majority")
    return value


def _once(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise ValueError("name each of them once")
    return value


def _host(value: str) -> str:
    if len(value) > 253 or not HOST.fullmatch(value):
        raise ValueError("give a host name in small letters, such as example.org, *.example.org or example.org:443")
    return value


Whole = Annotated[int, Field(strict=True)]
"""A whole number that is written as one: `yes` and 1.0 are not."""
Glob = Annotated[str, Field(min_length=1, max_length=300)]
Regex = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_regex)]
Host = Annotated[str, AfterValidator(_host)]
ToolName = Annotated[str, Field(min_length=1, max_length=120)]
Share = Annotated[Decimal, Field(ge=0, le=1, decimal_places=4)]
"""From 0 to 1."""
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
SecretName = Literal["database", "tracker"]
"""What an agent's call uses of an organisation's secrets: a project's database address, its issue tracker's token."""
CouncilSubject = Literal["plan", "design", "solution"]
ViolationPlace = Literal["command", "path", "output", "prompt"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Files(Section):
    """Which files agents may write. A denied glob wins and counts whatever the case; an allowed one counts as written."""

    allow: Annotated[list[Glob], Field(max_length=500)]
    deny: Annotated[list[Glob], Field(max_length=500)]

    def may_touch(self, path: str) -> bool:
        """Whether a file at `path` (relative, forward slashes) may be written, moved or deleted."""
        return self.may_see(path) and matches(path, self.allow, any_case=False)

    def may_see(self, path: str) -> bool:
        """Whether a file or folder may be read: what is denied is hidden too, what is only not allowed is not."""
        return not path.startswith("/") and ".." not in path.split("/") and not covers(path, self.deny)


class Network(Section):
    """Hosts that agents' tools may reach. `*.example.org` is every host below it; without a port, any port."""

    allow: Annotated[list[Host], Field(max_length=500)] = []


class Secrets(Section):
    """Kept secrets that agents' calls use only once people have allowed that very call, whatever the autonomy."""

    ask: Annotated[list[SecretName], AfterValidator(_once)] = []


class Commands(Section):
    deny: Annotated[list[Regex], Field(max_length=500)]


class FileRisk(Section):
    pattern: Glob
    risk: Risk


class RiskRules(Section):
    unlabelled: Risk
    labels: dict[Annotated[str, Field(max_length=60)], Risk]
    files: list[FileRisk]


class Quorum(Section):
    low: Whole = Field(ge=1, le=9)
    medium: Whole = Field(ge=1, le=9)
    high: Whole = Field(ge=1, le=9)


class Approvals(Section):
    quorum: Quorum
    expires_hours: Whole = Field(ge=1, le=24 * 30)
    unexecuted_alarm_minutes: Whole = Field(ge=1, le=24 * 60)
    roles: dict[Kind, Annotated[list[Role], Field(min_length=1)]]


class AutonomyCap(Section):
    """A lower highest autonomy for cells of the shipped table; a key that is left out is every one of its kind."""

    action: ActionClass | None = None
    level: PermissionLevel | None = None
    environment: Environment | None = None
    highest: Whole = Field(ge=0, le=3)

    @model_validator(mode="after")
    def _lowers(self) -> "AutonomyCap":
        cells = [
            ceiling(action, level, environment)
            for action in ([self.action] if self.action else ActionClass)
            for level in ([self.level] if self.level else PermissionLevel)
            for environment in ([self.environment] if self.environment else Environment)
        ]
        if max(cells) <= self.highest:
            raise ValueError(f"a policy can only lower the shipped table, and that gives {max(cells).label} here")
        return self

    def cap(self, action: ActionClass, level: PermissionLevel, environment: Environment) -> Autonomy | None:
        """The cap where this rule is about the cell, else None."""
        about = self.action in (None, action) and self.level in (None, level)
        return Autonomy(self.highest) if about and self.environment in (None, environment) else None


class AutonomyRules(Section):
    highest: Whole = Field(ge=0, le=3)
    table: Annotated[list[AutonomyCap], Field(max_length=200)] = []


class Confidence(Section):
    """Below `threshold` an agent's effect is not carried out; a person is asked, with the reasons."""

    threshold: Share = Decimal("0.70")


class Budget(Section):
    scope: ScopeKind
    window: Window
    usd: Decimal = Field(ge=0, max_digits=20, decimal_places=10)


class RateLimits(Section):
    """What agents do at most, whatever it costs. `repeats`: the same action with the same input is a loop by then."""

    change_requests_per_hour: Whole = Field(default=10, ge=0, le=10_000)
    agent_runs_per_day: Whole = Field(default=100, ge=0, le=100_000)
    tokens_per_minute: Whole = Field(default=200_000, ge=0, le=1_000_000_000)
    repeats: Whole = Field(default=3, ge=2, le=100)


class ViolationPattern(Section):
    """Text that is a violation where it stands in one of `places`; `stops` ends the run that it was found in."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
    places: Annotated[list[ViolationPlace], Field(min_length=1), AfterValidator(_once)]
    pattern: Regex
    stops: Annotated[bool, Field(strict=True)] = False


class Violations(Section):
    """`stop_after` violations of any kind end a run; 0 is never."""

    patterns: Annotated[list[ViolationPattern], Field(max_length=200)] = []
    stop_after: Whole = Field(default=3, ge=0, le=100)


class RunLimits(Section):
    """What one run takes at most. `minutes` are those in which a worker was at it; tokens are those of all its calls."""

    fixer_rounds: Whole = Field(ge=0, le=10)
    steps: Whole = Field(ge=1, le=1000)
    minutes: Whole = Field(ge=1, le=24 * 60)
    tokens: Whole = Field(ge=1, le=1_000_000_000)


class Councils(Section):
    """Who deliberates, on what before agents begin a story, and from which autonomy on the result is approved at once."""

    seats: Annotated[list[AgentRole], Field(min_length=3, max_length=7), AfterValidator(_odd)]
    held_on: Annotated[list[CouncilSubject], AfterValidator(_once)]
    approved_from: Whole = Field(ge=0, le=4)
