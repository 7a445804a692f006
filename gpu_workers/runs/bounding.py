"""What the policy in force lets a run's tools do, and which calls a run that goes on does not do over again.

A turn may last for hours: each call is bounded by the policy as it is when the call begins, not as it was when the turn did.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings

from governance.policies.document import PolicyDocument
from governance.policies.document_sections import ViolationPlace
from gpu_workers.reach import Reach, networks
from gpu_workers.tools.commands import reaches_out
from gpu_workers.tools.contract import ToolContext
from gpu_workers.tools.web import sends

LEFT = (
    "A worker ended while this was carried out. What it does outside may have happened, so it was not done again: "
    "find out before you ask for it anew."
)


def bounded(tools: ToolContext, policy: PolicyDocument) -> ToolContext:
    """`tools` within the bounds of `policy`: files, commands and hosts."""
    return replace(
        tools,
        files=policy.files,
        denied_commands=tuple(policy.commands.deny),
        command_rules=_rules(policy, "command"),
        path_rules=_rules(policy, "path"),
        reach=reach_of(policy),
    )


def reach_of(policy: PolicyDocument) -> Reach | None:
    """What tools outside of the sandbox may connect to; None where the policy lists no host."""
    return Reach(policy.may_reach, networks(settings.TOOL_NETWORKS)) if policy.network.allow else None


def acts_outside(name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a call may change something that no workspace holds, so that doing it twice is not doing it once."""
    return reaches_out(name, arguments) or sends(name, arguments)


def _rules(policy: PolicyDocument, place: ViolationPlace) -> tuple[tuple[str, str], ...]:
    return tuple((rule.name, rule.pattern) for rule in policy.violations.patterns if place in rule.places)
