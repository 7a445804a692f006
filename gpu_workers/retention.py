"""Removing what runs that ended long ago left on the disk. Their commits stay; of what was not committed, the last files do.

An ended run is never taken again, so that nobody works in what is removed; that it has ended is asked under its row's lock.
It is written down before anything is removed: whoever dies in between has the rest removed the next time.
"""

import logging
import re
import time
from pathlib import Path

from django.conf import settings

from gpu_workers.actions.workspaces import GONE, forget_workspace, long_ended
from gpu_workers.folders import repository_folder, workspace_folder
from gpu_workers.models import ChangeRequest, Repository, Run
from gpu_workers.models.change import ChangeState
from gpu_workers.rebasing import PLATFORM_SIGNATURE
from gpu_workers.repos import GitError, Workspace
from gpu_workers.repos.changes import FETCH
from gpu_workers.repos.git import FlawedHistory, git, text
from gpu_workers.repos.repository import commit_tree
from gpu_workers.runs.files import place_of
from gpu_workers.sandbox.workspace import remove_tree
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, NotFound
from guildhall.kernel.tenancy import current_tenant, release_connection

logger = logging.getLogger(__name__)
WORKSPACE = re.compile(r"run-(\d{1,9})")
SCRATCH = "refs/heads/guildhall/"
BRANCH = re.compile(r"refs/heads/(guildhall/[^ ]+?-(\d{1,9})(?:-rebased-[0-9a-f]{8})*)")
"""A branch that a run made, and what was put on top of another commit since; both go by the run."""


def remove_workspaces(*, actor: Actor) -> int:
    """Remove the workspaces of the current tenant's runs that ended longer ago than the setting says; how many. Safe to repeat.

    A folder that a checkout left behind when its worker died goes at the same age.
    """
    base = settings.WORKSPACES_DIR / current_tenant()
    names = [place.name for place in base.iterdir()] if base.is_dir() else []
    numbers = [int(found[1]) for name in names if (found := WORKSPACE.fullmatch(name))]
    removed = 0
    for run in list(Run.objects.filter(long_ended(), number__in=numbers).order_by("number")):
        try:
            _remove(actor, run)
            removed += 1
        except (Conflict, GitError, OSError) as trouble:
            logger.warning("the workspace of run %s stays: %s", run.number, trouble)
    oldest = time.time() - settings.WORKSPACE_TIME.total_seconds()
    for name in names:
        if name.startswith("ci-") and (base / name).lstat().st_mtime < oldest:
            remove_tree(base / name)
    return removed


def retire_branches() -> int:
    """Take away the branches that runs made in built-in repositories and that ended when workspaces go; how many.

    What they hold stays under `refs/ended/`, as pages of such runs and of their changes show it. Never one of a change that is
    open. A copy of a repository on GitHub keeps its own: they say which commits there are ours. Safe to repeat.
    """
    live = ChangeRequest.objects.filter(state=ChangeState.OPEN)
    retired = 0
    for repository in Repository.objects.filter(forge=None):
        repo = repository_folder(repository.name)
        found = _scratch_branches(repo) if repo.is_dir() else {}
        runs = Run.objects.filter(long_ended(), repository=repository.name, number__in={n for n, _ in found.values()})
        over = set(runs.exclude(changes__in=live).values_list("number", flat=True))
        kept = set(live.filter(repository=repository.name).values_list("branch", flat=True))
        release_connection()
        for branch, (number, sha) in found.items():
            if number in over and branch not in kept:
                place = f"refs/ended/{branch.removeprefix('guildhall/')}"
                moves = f"update {place} {sha}\ndelete refs/heads/{branch} {sha}\n"
                git(repo, "update-ref", "--no-deref", "--stdin", data=moves.encode())
                retired += 1
    return retired


def _scratch_branches(repo: Path) -> dict[str, tuple[int, str]]:
    """Of each branch that a run made: the run's number and the commit that it is on."""
    lines = text(git(repo, "for-each-ref", "--format=%(refname) %(objectname)", SCRATCH)).splitlines()
    pairs = [(BRANCH.fullmatch(name), sha) for name, _, sha in (line.partition(" ") for line in lines)]
    return {found[1]: (int(found[2]), sha) for found, sha in pairs if found}


def _remove(actor: Actor, run: Run) -> None:
    if GONE not in run.outcome:
        kept, step, lost = _kept(run)
        forget_workspace(actor=actor, run=run, kept=kept, step=step, lost=lost)
    release_connection()
    remove_tree(workspace_folder(run.number))


def _kept(run: Run) -> tuple[str, str, bool]:
    """A commit in the run's repository that holds its last files, the step they were left by, and whether they are lost.

    Nothing is needed where its last commit holds them.
    """
    try:
        place = place_of(run)
    except NotFound:
        return "", "", False
    if not place.step:
        return "", "", False
    workspace, repo = Workspace(workspace_folder(run.number)), repository_folder(run.repository)
    message = f"The files of run {run.number} after {place.step}"
    when = (run.started_at or run.created_at).replace(microsecond=0)
    release_connection()
    parents = [run.head_sha or run.base_sha]
    sha = commit_tree(workspace.git_dir, place.sha, parents, message, PLATFORM_SIGNATURE, when)
    words = (*FETCH, str(workspace.git_dir), f"+{sha}:refs/runs/{run.number}")
    try:
        git(repo, *words, env={"GIT_ALLOW_PROTOCOL": "file"})
    except FlawedHistory:
        # What the run left is such that git takes no commit of it, now or later.
        return "", "", True
    return sha, place.step, False
