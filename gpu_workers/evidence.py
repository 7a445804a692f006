"""What this room answers when workflows asks about commits: CI's verdict and what a merge would be bound to. Reads rows only."""

from typing import Any

from django.db.models import Q

from governance.selectors.release import environment_name
from gpu_workers.actions.changes import AUTHORS, PERSONS, REBASED
from gpu_workers.ceilings import cost_ceiling
from gpu_workers.ci_answers import known_ci
from gpu_workers.models import CIRun, HandIn, RunStep
from gpu_workers.models.hand_in import HandInState
from gpu_workers.selectors import change_of_task, repository_named
from guildhall.kernel.errors import Conflict
from workflows.machines import CommitEvidence

CI_WORDS = {"passed": "green", "failed": "red", "error": "red", "timeout": "red"}


def judge_commit(task: str, sha: str, rejected_sha: str) -> CommitEvidence:
    """The evidence on `sha`: it counts only as the head of the task's own change, a person's once its hand-in is green.

    An answer by an earlier command is enough to be given to review: what was green when it was made is nobody's fault, and judges
    and the merge ask for the command that counts by then. `newer` says that it follows `rejected_sha`: as its descendant, or as
    a commit that this platform made later.
    """
    change = change_of_task(task)
    if change is None or change.head_sha != sha or _in_work(task, sha):
        return CommitEvidence(sha, "none", newer=False)
    known = known_ci(change.repository, sha)
    newer = not rejected_sha or _follows(task, change.repository, sha, rejected_sha)
    return CommitEvidence(sha, CI_WORDS.get(known.run.status, "none") if known else "none", newer=newer)


def _in_work(task: str, sha: str) -> bool:
    """Whether people handed `sha` in and none of these hand-ins is green: its forge may not even have a pull request of it."""
    states = set(HandIn.objects.filter(task=task, head_sha=sha).values_list("state", flat=True))
    return bool(states) and HandInState.GREEN not in states


def _follows(task: str, repository: str, sha: str, rejected_sha: str) -> bool:
    """Judged by what was written down when the commits were made, never by what the repository says now."""
    parents = _parents_of(task)
    if rejected_sha in _ancestors(sha, parents):
        return True
    if sha == rejected_sha or sha in _ancestors(rejected_sha, parents):
        return False
    made, rejected = _made(repository, sha), _made(repository, rejected_sha)
    return made is not None and rejected is not None and made > rejected


def _parents_of(task: str) -> dict[str, str]:
    """Commits of the task's runs with their parents, as each commit's step keeps them: the platform's own, and calls."""
    made = Q(kind="commit") | Q(kind="tool", response__sha__gt="")
    commits = RunStep.objects.filter(made, run__subject=f"task:{task}", ok=True)
    return dict(commits.values_list("response__sha", "request__parent"))


def _ancestors(sha: str, parents: dict[str, str]) -> list[str]:
    found = []
    while (sha := parents.get(sha, "")) and sha not in found:
        found.append(sha)
    return found


def _made(repository: str, sha: str) -> int | None:
    """The place in time of a commit that this platform made: CI runs on each at once, and on a rebased one."""
    purposes = Q(purpose__startswith=AUTHORS) | Q(purpose__startswith=PERSONS) | Q(purpose=REBASED)
    return CIRun.objects.filter(purposes, repository=repository, sha=sha).values_list("id", flat=True).last()


def merge_binding(task: str, sha: str) -> dict[str, Any]:
    """Exactly what a merge of `sha` would do. Raises `Conflict` when the task's change is not at `sha`."""
    change = change_of_task(task)
    if change is None or change.head_sha != sha:
        raise Conflict(f"The change of {task} is not at {sha[:12]}.")
    hiding = sorted(str(file["path"]) for file in change.files if file.get("hides"))
    return {
        "commit_sha": change.head_sha,
        "base_sha": change.base_sha,
        "diff_hash": change.diff_hash,
        "repository": change.repository,
        "environment": environment_name(change.repository, repository_named(change.repository).default_branch),
        "cost_ceiling_usd": cost_ceiling(task),
        "change": change.number,
        "files": sorted(str(file["path"]) for file in change.files),
        **({"hidden_characters": hiding} if hiding else {}),
    }
