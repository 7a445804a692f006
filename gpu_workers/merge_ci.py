"""CI of a commit that is to be merged: one that was rebased, or that was approved with the answer of an earlier command."""

from gpu_workers.actions.changes import record_ci
from gpu_workers.carrying_out import CutOff
from gpu_workers.ci import run_ci
from gpu_workers.ci_answers import ci_of
from gpu_workers.folders import repository_folder, scratch_folder
from gpu_workers.metering import metered
from gpu_workers.models import ChangeRequest, CIRun, Repository
from gpu_workers.runs.ci import report_of
from gpu_workers.runs.keeper import HoldWatch
from gpu_workers.sandbox import Sandbox, SandboxUnavailable
from gpu_workers.sandboxes import ci_limits, sandbox_settings
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Unavailable


def judged(
    actor: Actor, change: ChangeRequest, repository: Repository, sha: str, purpose: str, watch: HoldWatch
) -> CIRun:
    """CI's answer on `sha`: the one that counts where it is known, else by the command that `repository` was read with.

    What `watch` ends is not kept. Raises `CutOff`, `LimitExceeded` where there is no money for it, and, where it can be tried
    again as it is, `Unavailable` and GitError.
    """
    known = ci_of(repository.name, sha)
    if known is not None:
        return known
    limits = ci_limits(repository.name)
    sandbox = Sandbox(sandbox_settings())
    scratch = scratch_folder(f"merge-{sha[:12]}")
    repo, command = repository_folder(repository.name), repository.ci_command
    try:
        outcome = metered(
            actor=actor,
            task=change.task,
            run=lambda: run_ci(repo, sha, command, sandbox, scratch, limits=limits, cancel=watch.stop),
        )
    except SandboxUnavailable as error:
        raise Unavailable(f"The sandbox cannot be used: {error}") from error
    if watch.hold is not None:
        raise CutOff(watch.hold)
    report = report_of(outcome)
    return record_ci(actor=actor, repository=repository, sha=sha, purpose=purpose, command=command, report=report)
