"""Putting a commit before its forge, whoever made it: the checks there, kept as our CI is, and the change's pull request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gpu_workers.actions.changes import LOG_KEPT, CIReport, record_ci
from gpu_workers.forges.opening import branch_there, open_there
from gpu_workers.forges.protocol import CheckStatus, Forge, NotYet
from gpu_workers.models import ChangeRequest, CIRun, PullRequest, Repository
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection

LOOK_AGAIN_S = 60.0
PATIENCE = timedelta(hours=1)
"""How long anybody waits for a forge."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Who puts something before the forge of `repository`. `ask` is called before each thing that is done there.

    It raises what stops the work; `masked` takes out of a log what the policy keeps from people.
    """

    actor: Actor
    repository: Repository
    forge: Forge
    ask: Callable[[], None]
    masked: Callable[[str], str]


def judged_there(effort: Effort, branch: str, sha: str, purpose: str, command: str) -> CIRun:
    """Have `branch` there on `sha` and keep what the forge's own checks say of it. Raises `NotYet` while they run.

    The answer stands beside that of our own `command`, which the commit has passed, and counts as long as that does: the
    repository may have another by the time that these checks end.
    """
    _publish(effort, branch, sha)
    found = effort.forge.checks(sha)
    if found.status in (CheckStatus.NONE, CheckStatus.PENDING):
        raise NotYet(f"GitHub's checks on {sha[:12]} have not all ended.", LOOK_AGAIN_S)
    status = "passed" if found.status is CheckStatus.PASSED else "failed"
    log = effort.masked(found.log)[-LOG_KEPT:]
    report = CIReport(status, None, log, [], found.passed, found.failed, 0)
    return record_ci(
        actor=effort.actor, repository=effort.repository, sha=sha, purpose=purpose, command=command, report=report
    )


def put_up(effort: Effort, change: ChangeRequest, branch: str, head: str) -> PullRequest:
    """Have the pull request of `change` at `head`: the one that is known or was asked for, else one of `branch`, opened where
    there is none."""
    branch = branch_there(change) or branch
    _publish(effort, branch, head)
    effort.ask()
    return open_there(effort.actor, change, effort.forge, branch)


def _publish(effort: Effort, branch: str, sha: str) -> None:
    effort.ask()
    release_connection()
    effort.forge.publish(branch, sha)
