"""A run that people gave no more money."""

from gpu_workers.events import RunRefusedRoom
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict


@governed("run.refuse_budget", lock="run")
def refuse_budget(*, actor: Actor, run: Run, approval: int, reason: str) -> Run:
    """Tell a run that waits for a budget that it does not get it; it waits on, with `reason` for people to read.

    Raises `Conflict` when it waits no more, or was told of this approval already.
    """
    if run.state != RunState.WAITING or "budget" not in run.outcome:
        raise Conflict(f"run {run.number} is {run.state}; it waits for no budget.")
    if run.outcome["budget"].get("refused") == approval:
        raise Conflict(f"run {run.number} was told of approval #{approval} already.")
    run.outcome = {**run.outcome, "budget": {**run.outcome["budget"], "refused": approval}}
    run.reason = reason[:500]
    run.save(update_fields=["outcome", "reason"])
    told = RunRefusedRoom(subject=run.ref, about=run.subject, approval=approval, reason=run.reason)
    record(told, actor=actor, reason=run.reason)
    return run
