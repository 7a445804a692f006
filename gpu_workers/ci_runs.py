"""CI of one commit, whoever asks for it: the project's command within the project's limits, and what it said as a row."""

import threading

from gpu_workers.actions.changes import LOG_KEPT, CIReport, record_ci
from gpu_workers.ci import CIOutcome, run_ci
from gpu_workers.folders import repository_folder, scratch_folder
from gpu_workers.models import CIRun, Repository
from gpu_workers.runs.masking import hiding
from gpu_workers.sandbox import Sandbox
from gpu_workers.sandbox.sandbox import OnOutput
from gpu_workers.sandboxes import ci_limits
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection


def project_ci(
    repository: Repository,
    sha: str,
    sandbox: Sandbox,
    scratch: str,
    cancel: threading.Event,
    on_output: OnOutput | None = None,
) -> CIOutcome:
    """What the command that `repository` was read with says of `sha`, run below the folder `scratch`.

    No database connection is held meanwhile. Raises SandboxUnavailable, and GitError where the machine is in trouble.
    """
    repo, place, limits = repository_folder(repository.name), scratch_folder(scratch), ci_limits(repository.name)
    release_connection()
    return run_ci(repo, sha, repository.ci_command, sandbox, place, on_output, limits=limits, cancel=cancel)


def keep_ci(*, actor: Actor, repository: Repository, sha: str, purpose: str, outcome: CIOutcome) -> CIRun:
    """Keep what was said by the command that `repository` was read with, without what the policy takes out of outputs."""
    hidden, counts = hiding("output"), outcome.counts
    report = CIReport(
        status=str(outcome.status),
        exit_code=outcome.exit_code,
        log=hidden(outcome.log)[-LOG_KEPT:],
        tests=[
            {"name": hidden(t.name), "suite": hidden(t.suite), "status": str(t.status), "message": hidden(t.message)}
            for t in outcome.tests
        ],
        passed=counts.get("passed", 0),
        failed=counts.get("failed", 0) + counts.get("error", 0),
        duration_ms=int(outcome.duration_s * 1000),
    )
    return record_ci(
        actor=actor, repository=repository, sha=sha, purpose=purpose, command=repository.ci_command, report=report
    )
