"""What a run may connect to, in words, from the policy that held for it."""

from dataclasses import dataclass

from governance.selectors.policy import policy_at
from gpu_workers.models import Run
from gpu_workers.models.run import RunKind
from guildhall.kernel.errors import Denied

SHOWN_HOSTS = 3
ELSEWHERE = {
    RunKind.PLAN: "none; it is given what it reads",
    RunKind.COUNCIL: "none; it is given what it reads",
    RunKind.BACKLOG: "the project’s issue tracker alone",
}
"""Kinds of runs that neither run commands nor have a tool that the policy's list is for."""


@dataclass(frozen=True, slots=True)
class RunNetwork:
    """`words`, or the first hosts of policy `version`, beyond which there are `more`."""

    words: str = ""
    hosts: tuple[str, ...] = ()
    more: int = 0
    version: int = 0


def network_of(run: Run) -> RunNetwork:
    """Whom commands and tools of the run may reach now, or might when it ended."""
    if words := ELSEWHERE.get(RunKind(run.kind)):
        return RunNetwork(words)
    try:
        policy = policy_at(run.ended_at)
    except Denied:
        return RunNetwork("none; no policy is loaded")
    hosts = tuple(policy.document.network.allow)
    if not hosts:
        return RunNetwork("none")
    return RunNetwork("", hosts[:SHOWN_HOSTS], max(0, len(hosts) - SHOWN_HOSTS), policy.version)
