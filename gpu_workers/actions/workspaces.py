"""What becomes of the workspaces of runs that have ended."""

from datetime import UTC

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from gpu_workers.events import WorkspaceRemoved
from gpu_workers.models import Run
from gpu_workers.models.run import ENDED
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from workflows.selectors.planned import database_now

GONE = "workspace"
"""Where a run's outcome says that its workspace was removed: when (ISO date), and the commit and step that were kept of it."""


def long_ended() -> Q:
    """Runs that ended so long ago, by the database's clock, that their workspaces may go; an ended run is never taken again."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    return free & Q(state__in=ENDED, ended_at__lt=Now() - settings.WORKSPACE_TIME)


@governed("run.forget_workspace", lock="run")
def forget_workspace(*, actor: Actor, run: Run, kept: str, step: str, lost: bool) -> Run:
    """Write down that a run's workspace goes; `kept` is the commit that holds its files after `step`, "" where none is needed.

    `lost` says that there were files which could not be kept. Raises `Conflict` for a run that has not ended long ago.
    """
    if not Run.objects.filter(long_ended(), pk=run.pk).exists():
        raise Conflict(
            f"run {run.number} is {run.state}, and has not been over for {settings.WORKSPACE_TIME.days} days."
        )
    if GONE not in run.outcome:
        day = database_now().astimezone(UTC).date().isoformat()
        run.outcome = {**run.outcome, GONE: {"removed": day, "kept": kept, "step": step, "lost": lost}}
        run.save(update_fields=["outcome"])
    record(WorkspaceRemoved(subject=run.ref, kept_sha=kept), actor=actor)
    return run
