"""CI of a commit that is to be merged: one that was rebased, or that was approved with the answer of an earlier command."""

from gpu_workers.carrying_out import CutOff
from gpu_workers.ci_answers import ci_of
from gpu_workers.ci_runs import keep_ci, project_ci
from gpu_workers.metering import metered
from gpu_workers.models import ChangeRequest, CIRun, Repository
from gpu_workers.runs.keeper import HoldWatch
from gpu_workers.sandbox import Sandbox, SandboxUnavailable
from gpu_workers.sandboxes import sandbox_settings
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
    sandbox, scratch = Sandbox(sandbox_settings()), f"merge-{sha[:12]}"
    try:
        outcome = metered(
            actor=actor,
            task=change.task,
            run=lambda: project_ci(repository, sha, sandbox, scratch, watch.stop),
        )
    except SandboxUnavailable as error:
        raise Unavailable(f"The sandbox cannot be used: {error}") from error
    if watch.hold is not None:
        raise CutOff(watch.hold)
    return keep_ci(actor=actor, repository=repository, sha=sha, purpose=purpose, outcome=outcome)
