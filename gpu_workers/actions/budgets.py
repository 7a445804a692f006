"""A run that people gave no more money."""

from django.db.models.functions import Now

from gpu_workers.events import RunEnded
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict


@governed("run.refuse_budget", lock="run")
def refuse_budget(*, actor: Actor, run: Run, reason: str) -> Run:
    """End a run that waits for a budget which it will not get: a person takes over. Raises `Conflict` in other states."""
    if run.state != RunState.WAITING or "budget" not in run.outcome:
        raise Conflict(f"run {run.number} is {run.state}; it waits for no budget.")
    run.escalate()
    run.reason, run.lease_until = reason[:500], None
    run.save(update_fields=["state", "reason", "lease_until"])
    Run.objects.filter(pk=run.pk).update(ended_at=Now())
    ended = RunEnded(subject=run.ref, state=run.state, agent=run.agent.ref, about=run.subject, reason=run.reason)
    record(ended, actor=actor, reason=reason)
    return run
