"""Putting a commit before its forge, whoever made it: the checks there, kept as our CI is, and the change's pull request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gpu_workers.actions.changes import CIReport, record_ci
from gpu_workers.actions.forges import note_pull_request
from gpu_workers.forges.choosing import pull_request_of
from gpu_workers.forges.protocol import CheckStatus, Forge, NotYet
from gpu_workers.models import ChangeRequest, CIRun, PullRequest, Repository
from gpu_workers.wording import quoted
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection

LOOK_AGAIN_S = 60.0
PATIENCE = timedelta(hours=1)
"""How long anybody waits for a forge."""
LOG_KEPT = 20_000


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


def judged_there(effort: Effort, branch: str, sha: str, purpose: str) -> CIRun:
    """Have `branch` there on `sha` and keep what the forge's own checks say of it. Raises `NotYet` while they run.

    The answer stands beside that of our own command, which the commit has passed, and counts as long as that does.
    """
    _publish(effort, branch, sha)
    found = effort.forge.checks(sha)
    if found.status in (CheckStatus.NONE, CheckStatus.PENDING):
        raise NotYet(f"GitHub's checks on {sha[:12]} have not all ended.", LOOK_AGAIN_S)
    status = "passed" if found.status is CheckStatus.PASSED else "failed"
    log = effort.masked(found.log)[-LOG_KEPT:]
    report = CIReport(status, None, log, [], found.passed, found.failed, 0)
    repository = effort.repository
    return record_ci(
        actor=effort.actor,
        repository=repository,
        sha=sha,
        purpose=purpose,
        command=repository.ci_command,
        report=report,
    )


def put_up(effort: Effort, change: ChangeRequest, branch: str, head: str) -> PullRequest:
    """Have the pull request of `change` at `head`: the one that is known, else one of `branch`, opened where there is none."""
    known = pull_request_of(change)
    branch = known.branch if known else branch
    _publish(effort, branch, head)
    effort.ask()
    release_connection()
    opened = effort.forge.propose(branch, change.title, told_there(change))
    return note_pull_request(actor=effort.actor, change=change, number=opened.number, branch=branch, url=opened.url)


def told_there(change: ChangeRequest) -> str:
    """What the pull request of `change` says."""
    text = f"{change.task}, change {change.number}. Merged from Guildhall once it is approved there."
    return f"{text}\n\nIn its author's words:\n\n{quoted(change.description)}" if change.description else text


def _publish(effort: Effort, branch: str, sha: str) -> None:
    effort.ask()
    release_connection()
    effort.forge.publish(branch, sha)
