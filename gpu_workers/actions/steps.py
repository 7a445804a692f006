"""Steps that are more than a worker's own: what they begin outside of the platform, and what a run's end leaves of them."""

from typing import Any

from gpu_workers.actions.leases import LeaseLost, fenced
from gpu_workers.actions.runs import StepResult, put_result
from gpu_workers.applying.outcomes import BEGUN, beginning, begun_in
from gpu_workers.models import Run, RunStep
from gpu_workers.models.run import RunState
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict


@governed("run.close_step", lock="run")
def close_step(*, actor: Actor, run: Run, key: str, result: StepResult) -> RunStep:
    """Store the result of a step that a run left unfinished when it ended. Raises `Conflict` while the run is open, and
    where the step has one by now.
    """
    if run.is_open:
        raise Conflict(f"run {run.number} is {run.state}; its worker finishes its steps.")
    if RunStep.objects.filter(run=run, key=key, finished_at__isnull=False).exists():
        raise Conflict(f"Step {key} of run {run.number} has ended.")
    return put_result(run, actor, key, result)


@governed("run.begin_applying", lock="run")
def begin_applying(*, actor: Actor, run: Run, fence: int, key: str, about: dict[str, Any]) -> RunStep:
    """Keep with a step, and tell, what it is about to apply outside (`begun_with`), before anything there hears of it.

    Each worker says so: one that goes on with it acts there again.
    """
    fenced(run, fence)
    step = RunStep.objects.select_for_update().get(run=run, key=key, finished_at=None)
    again = bool(begun_in(step.request))
    step.request = {**step.request, BEGUN: about}
    step.save(update_fields=["request"])
    record(beginning(run.ref, key, about, again=again), actor=actor)
    return step


@governed("run.tell_applied", lock="run")
def tell_applied(*, actor: Actor, run: Run, fence: int, key: str, result: StepResult) -> RunStep:
    """Store what came of applying, said by the worker that did it, although the run was taken from it meanwhile.

    Of a run that goes on, only that all of it is applied; what was cut short, whoever goes on finds out. Raises `LeaseLost`
    for that, and where another worker has the run or began it anew.
    """
    step = RunStep.objects.select_for_update().get(run=run, key=key)
    mine = begun_in(step.request).get("fence") == fence and not (run.state == RunState.RUNNING and run.fence != fence)
    if not mine or step.finished_at is not None or (run.is_open and not result.ok):
        raise LeaseLost(f"step {key} of run {run.number} is another worker's to finish")
    return put_result(run, actor, key, result)
