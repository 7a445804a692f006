"""Effective autonomy and what it lets an agent do. Pure tables; no Django."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from governance.scoring import PermissionLevel


class Autonomy(IntEnum):
    """L0 Manual, L1 Assisted (proposes), L2 Supervised (drafts and stages), L3 Autopilot (acts within policy)."""

    MANUAL = 0
    ASSISTED = 1
    SUPERVISED = 2
    AUTOPILOT = 3

    @property
    def label(self) -> str:
        return f"L{self.value} {self.name.title()}"


class ActionClass(StrEnum):
    READ = "read"
    WRITE_WORKSPACE = "write_workspace"
    TEST = "test"
    COMMIT = "commit"
    OPEN_CHANGE_REQUEST = "open_change_request"
    MERGE = "merge"
    DEPLOY = "deploy"
    CHANGE_INFRASTRUCTURE = "change_infrastructure"
    ACCESS_SECRET = "access_secret"  # noqa: S105
    USE_NETWORK = "use_network"
    CHANGE_DATA = "change_data"


class Environment(StrEnum):
    WORKSPACE = "workspace"
    STAGING = "staging"
    PRODUCTION = "production"


class Risk(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Verdict(StrEnum):
    ALLOW = "allow"
    ASK = "ask"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to "may this be done now", with the reason in words and the autonomy that it came from."""

    verdict: Verdict
    reason: str
    autonomy: Autonomy


DRAFTING = frozenset(
    {
        ActionClass.READ,
        ActionClass.WRITE_WORKSPACE,
        ActionClass.TEST,
        ActionClass.COMMIT,
        ActionClass.OPEN_CHANGE_REQUEST,
    }
)
"""What a run at L2 does unasked, and nothing more: all of it can be thrown away."""

_BY_LEVEL: Mapping[PermissionLevel, Autonomy] = {
    PermissionLevel.SANDBOX_ONLY: Autonomy.ASSISTED,
    PermissionLevel.STAGING_ACCESS: Autonomy.SUPERVISED,
    PermissionLevel.PROD_LOW_RISK: Autonomy.AUTOPILOT,
    PermissionLevel.PROD_FULL_ACCESS: Autonomy.AUTOPILOT,
}

_FULL_ACCESS_ONLY = frozenset({ActionClass.CHANGE_INFRASTRUCTURE, ActionClass.ACCESS_SECRET, ActionClass.CHANGE_DATA})


def ceiling(action: ActionClass, level: PermissionLevel, environment: Environment) -> Autonomy:
    """The shipped table: the highest autonomy of an action class for a permission level in an environment.

    An environment above what the level was earned for takes one step off: staging for sandbox_only, production for
    staging_access (two steps for sandbox_only), and the classes that cannot be undone in production for prod_low_risk.
    """
    base = _BY_LEVEL[level]
    if environment == Environment.WORKSPACE or (environment == Environment.STAGING and base >= Autonomy.SUPERVISED):
        return base
    if base < Autonomy.AUTOPILOT:
        return Autonomy.MANUAL if level == PermissionLevel.SANDBOX_ONLY else Autonomy.ASSISTED
    if level == PermissionLevel.PROD_LOW_RISK and action in _FULL_ACCESS_ONLY:
        return Autonomy.SUPERVISED
    return base


TABLE: Mapping[tuple[ActionClass, PermissionLevel, Environment], Autonomy] = {
    (action, level, environment): ceiling(action, level, environment)
    for action in ActionClass
    for level in PermissionLevel
    for environment in Environment
}


def effective(
    action: ActionClass,
    *,
    level: PermissionLevel,
    environment: Environment,
    strategy: Autonomy,
    agent_cap: Autonomy,
    policy_cap: Autonomy,
) -> Autonomy:
    """The minimum of the table, the strategy, the agent's cap and the policy."""
    return min(TABLE[action, level, environment], strategy, agent_cap, policy_cap)


def decide(
    action: ActionClass,
    *,
    level: PermissionLevel,
    environment: Environment,
    strategy: Autonomy,
    agent_cap: Autonomy,
    policy_cap: Autonomy,
    risk: Risk = Risk.LOW,
    restricted: bool = False,
    evidence_complete: bool = True,
) -> Decision:
    """Whether the agent does it, asks a person, or is refused.

    `restricted` is a reputation below 50: each action asks. `evidence_complete` false (CI missing or red, nothing
    retrieved, low confidence) makes even Autopilot ask.
    """
    autonomy = effective(
        action,
        level=level,
        environment=environment,
        strategy=strategy,
        agent_cap=agent_cap,
        policy_cap=policy_cap,
    )
    if autonomy == Autonomy.MANUAL:
        return Decision(Verdict.REFUSE, f"{autonomy.label}: people do this, agents do not act here", autonomy)
    if restricted:
        return Decision(Verdict.ASK, "the agent is restricted: its reputation is below 50", autonomy)
    if autonomy == Autonomy.ASSISTED:
        if action == ActionClass.READ:
            return Decision(Verdict.ALLOW, f"{autonomy.label}: reading changes nothing", autonomy)
        return Decision(Verdict.ASK, f"{autonomy.label}: the agent proposes, a person does", autonomy)
    if action in DRAFTING:
        return Decision(Verdict.ALLOW, f"{autonomy.label}: drafting in a workspace of its own", autonomy)
    if autonomy == Autonomy.SUPERVISED:
        return Decision(Verdict.ASK, f"{autonomy.label}: a person submits what the agent staged", autonomy)
    return _autopilot(risk, evidence_complete, autonomy)


def _autopilot(risk: Risk, evidence_complete: bool, autonomy: Autonomy) -> Decision:
    if risk == Risk.HIGH:
        return Decision(Verdict.ASK, "high risk: a person signs, whatever the autonomy", autonomy)
    if not evidence_complete:
        return Decision(Verdict.ASK, f"{autonomy.label}: evidence is missing", autonomy)
    return Decision(Verdict.ALLOW, f"{autonomy.label}: within policy", autonomy)
