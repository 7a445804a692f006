"""What came of a call that people were asked about, as an ended run left it: its worker may have died before it said so."""

from typing import Any

from gpu_workers.folders import repository_folder
from gpu_workers.models import Run, RunStep
from gpu_workers.models.run import JUDGING, RunState
from gpu_workers.repos.repository import branch_head
from gpu_workers.runs.judging import STEP as VERDICT
from guildhall.kernel.tenancy import release_connection


def outcome_of(run: Run, key: str, arguments: dict[str, Any]) -> bool | None:
    """Whether the call at `key` with exactly these arguments went well; None where it is not known to have been carried out."""
    if key == VERDICT:
        return True if _counts(run, arguments) else None
    step = run.steps.filter(key=key).first()
    if step is None:
        return None
    if step.kind == "change":
        return True if _opened(step.response or {}, arguments) else None
    if step.kind != "tool" or step.request.get("arguments") != arguments:
        return None
    if step.finished_at is not None:
        return bool(step.ok)
    return True if _pushed(run, step) else None


def _counts(run: Run, arguments: dict[str, Any]) -> bool:
    """Whether a judge's run has ended with this verdict on this commit: that is when it counts, and not before."""
    if run.kind not in JUDGING or run.state != RunState.SUCCEEDED:
        return False
    ended = {"base_sha": run.base_sha, "head_sha": run.head_sha}
    return arguments == ended | {name: run.outcome.get(name) for name in ("verdict", "feedback")}


def _opened(opened: dict[str, Any], arguments: dict[str, Any]) -> bool:
    """Whether exactly these commits were proposed; the step keeps what was, from the moment that it was."""
    return all(name in opened and opened[name] == arguments.get(name) for name in ("head_sha", "diff_hash"))


def _pushed(run: Run, step: RunStep) -> bool:
    """Whether the commit that an unfinished call had put by is on the run's branch; nothing came onto it after that."""
    sha = str((step.response or {}).get("sha", ""))
    if not sha:
        return False
    repository = repository_folder(run.repository)
    release_connection()
    return branch_head(repository, run.branch) == sha
