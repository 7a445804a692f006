"""What a dead worker left unpaid: answers that it had kept, of a run that nobody goes on with."""

from gateway.calls import Completion
from gateway.completion import charge
from gpu_workers.actions.runs import close_step
from gpu_workers.models import Run
from gpu_workers.runs.model import result_of
from guildhall.kernel.actor import Actor


def settle_kept(*, actor: Actor, run: Run) -> int:
    """Charge every answer of an ended run that was kept and never charged; how many. Safe to repeat.

    The provider has billed them, whatever became of the run; also when their reservations have run out meanwhile.
    """
    kept = run.steps.filter(kind="model", finished_at=None, response__isnull=False)
    count = 0
    for step in kept.order_by("id"):
        completion = Completion.from_dict(dict(step.response or {}))
        charge(actor=actor, completion=completion)
        close_step(actor=actor, run=run, key=step.key, result=result_of(completion))
        count += 1
    return count
