"""The policy document: what it says about files, hosts, commands, tools, risk and people. Pure; no Django."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from governance.autonomy import ActionClass, Autonomy, Environment, Risk
from governance.policies.document_sections import (
    Approvals,
    AutonomyRules,
    Budget,
    Commands,
    Confidence,
    Councils,
    Files,
    Network,
    RateLimits,
    RiskRules,
    Role,
    RunLimits,
    Secrets,
    Section,
    ToolName,
    Violations,
)
from governance.policies.globs import matches
from governance.policies.patterns import search
from governance.policies.release import Release
from governance.scoring import PermissionLevel, ReputationKind

RELEASED = ("merge", "deployment")
"""Kinds of approvals after which something goes to an environment: its number of approvers counts for these alone."""
_RANK = {Risk.LOW: 0, Risk.MEDIUM: 1, Risk.HIGH: 2}


class PolicyDocument(Section):
    """One tenant's policy. What is not said is not allowed: sections that give something are required.

    Those with a default came after the first policies were written. Without a section of councils none is held and no
    story waits for one; without a network section agents reach no host, and without one of secrets nobody is asked about
    them; the others then say what is shipped.
    """

    format: Literal[1]
    files: Files
    network: Network = Network()
    secrets: Secrets = Secrets()
    commands: Commands
    tools: dict[Literal["all", "architect", "developer", "qa", "devops", "data", "planner"], list[ToolName]]
    risk: RiskRules
    approvals: Approvals
    autonomy: AutonomyRules
    confidence: Confidence = Confidence()
    budgets: Annotated[list[Budget], Field(max_length=200)]
    rate_limits: RateLimits = RateLimits()
    violations: Violations = Violations()
    reputation: dict[ReputationKind, Annotated[int, Field(strict=True, ge=-1000, le=1000)]]
    runs: RunLimits
    release: Release = Release()
    councils: Councils = Councils(seats=["architect", "developer", "qa"], held_on=[], approved_from=3)

    def may_touch(self, path: str) -> bool:
        """Whether a file at `path` (relative, forward slashes) may be written; a denied glob wins."""
        return self.files.may_touch(path)

    def may_reach(self, host: str, port: int) -> bool:
        """Whether agents' tools may connect to `host` (a name; addresses are only reached where they are listed)."""
        name = host.lower().rstrip(".")
        return any(_host_matches(name, port, rule) for rule in self.network.allow)

    def denied_command(self, command: str) -> str | None:
        """The first pattern that forbids `command`, or None."""
        return next((pattern for pattern in self.commands.deny if search(pattern, command)), None)

    def tools_of(self, role: str) -> frozenset[str]:
        """Tools that an agent of `role` may call; a role that the policy does not name gets none."""
        own: dict[str, list[str]] = {str(name): tools for name, tools in self.tools.items()}
        return frozenset([*own.get("all", ()), *own[role]]) if role in own and role != "all" else frozenset()

    def risk_of(self, labels: Sequence[str], paths: Sequence[str]) -> Risk:
        """The highest risk that any label or touched file gives."""
        found = [self.risk.labels[label] for label in labels if label in self.risk.labels]
        found += [
            rule.risk for rule in self.risk.files for path in paths if matches(path, [rule.pattern], any_case=True)
        ]
        return max(found, key=_RANK.__getitem__, default=self.risk.unlabelled)

    def quorum(self, risk: Risk) -> int:
        """How many distinct people must approve at `risk`."""
        return int(getattr(self.approvals.quorum, risk))

    def approvers(self, kind: str, risk: Risk, environment: str = "") -> int:
        """How many distinct people must approve a question of `kind`, for `environment` where something goes to one."""
        there = self.release.approvers_of(environment) if kind in RELEASED else 1
        return max(self.quorum(risk), there)

    def deciders(self, kind: str) -> list[str]:
        """Roles that may decide approvals of `kind`; none when the policy does not name the kind."""
        roles: dict[str, list[Role]] = {str(name): given for name, given in self.approvals.roles.items()}
        return list(roles.get(kind, ()))

    @property
    def highest_autonomy(self) -> Autonomy:
        return Autonomy(self.autonomy.highest)

    def autonomy_cap(self, action: ActionClass, level: PermissionLevel, environment: Environment) -> Autonomy:
        """The highest autonomy that the policy leaves of the shipped table's cell."""
        caps = [rule.cap(action, level, environment) for rule in self.autonomy.table]
        return min([self.highest_autonomy, *(cap for cap in caps if cap is not None)])


def _host_matches(name: str, port: int, rule: str) -> bool:
    host, _, only = rule.partition(":")
    if only and int(only) != port:
        return False
    return name.endswith(host[1:]) and len(name) > len(host) - 1 if host.startswith("*.") else name == host
