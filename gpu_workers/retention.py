"""Removing what runs that ended long ago left on the disk. Their commits stay; of what was not committed, the last files do.

An ended run is never taken again, so that nobody works in what is removed; that it has ended is asked under its row's lock.
It is written down before anything is removed: whoever dies in between has the rest removed the next time.
"""

import logging
import re
import time

from django.conf import settings

from gpu_workers.actions.workspaces import GONE, forget_workspace, long_ended
from gpu_workers.folders import repository_folder, workspace_folder
from gpu_workers.models import Run
from gpu_workers.rebasing import PLATFORM_SIGNATURE
from gpu_workers.repos import GitError, Workspace
from gpu_workers.repos.changes import FETCH
from gpu_workers.repos.git import FlawedHistory, git
from gpu_workers.repos.repository import commit_tree
from gpu_workers.runs.files import place_of
from gpu_workers.sandbox.workspace import remove_tree
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, NotFound
from guildhall.kernel.tenancy import current_tenant, release_connection

logger = logging.getLogger(__name__)
WORKSPACE = re.compile(r"run-(\d{1,9})")


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
