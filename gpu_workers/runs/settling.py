"""What a dead worker left behind in a run that nobody goes on with: answers not paid, plans of which nothing was said."""

import json
from contextlib import suppress
from datetime import UTC, datetime

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from gateway.calls import Completion
from gateway.completion import charge
from governance.actions.outcomes import void_approvals
from governance.selectors.approvals import approvals_visible_to
from gpu_workers.actions.runs import StepResult, cancel_run
from gpu_workers.actions.steps import close_step
from gpu_workers.applying.outcomes import BEGUN, begun_in, left
from gpu_workers.models import Run, RunStep
from gpu_workers.models.run import ENDED, GIVEN_UP, OPEN
from gpu_workers.runs.asking import tell_done
from gpu_workers.runs.model import result_of
from gpu_workers.runs.outcomes import outcome_of
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict


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


def settle_asked(*, actor: Actor, run: Run) -> int:
    """Bring what people were asked by an ended run to its end; how many plans it left of which nothing was said. Safe to repeat.

    Of each it is told that nobody knows what came of it. What was carried out has its receipt then, and one that gave up asks
    nothing any more. A worker that may still be at it is waited for: it knows more.
    """
    begun = run.steps.filter(kind="tool", request__has_key=BEGUN).order_by("id")
    unfinished = list(begun.filter(finished_at=None))
    if unfinished and _may_have_worker(run):
        return 0
    count = sum(_told(actor, run, step) for step in unfinished)
    _tell_done(actor, run)
    if run.state in GIVEN_UP:
        void_approvals(actor=actor, subject=run.ref, reason=f"Run {run.number} has ended: {run.reason}"[:300])
    return count


def _tell_done(actor: Actor, run: Run) -> None:
    """Write the receipts of calls that people allowed, and that were carried out before anybody said so."""
    for asked in approvals_visible_to(actor, state="approved", subjects=[run.ref]):
        if "call" in asked.binding:
            arguments = json.loads(asked.binding["call"])["arguments"]
            came = outcome_of(run, str(asked.binding["step"]), arguments)
            if came is not None:
                tell_done(run, asked, ok=came)


def _told(actor: Actor, run: Run, step: RunStep) -> bool:
    try:
        close_step(actor=actor, run=run, key=step.key, result=StepResult(left(begun_in(step.request)), ok=False))
    except Conflict:
        return False  # its worker said it at this moment
    return True


def end_applying(*, actor: Actor, reason: str) -> int:
    """Cancel every run in the middle of applying a plan, for good; how many plans a worker may still be at."""
    for run in Run.objects.filter(state__in=OPEN, pk__in=_unsaid().values("run")):
        with suppress(Conflict):  # it ended at this moment
            cancel_run(actor=actor, run=run, reason=reason)
    settle_left(actor=actor)
    return _unsaid().count()


def _unsaid() -> QuerySet[RunStep]:
    """What was begun to be applied, of which nothing is said."""
    return RunStep.objects.filter(kind="tool", finished_at=None, request__has_key=BEGUN)


def settle_left(*, actor: Actor) -> int:
    """Settle what was begun to be applied in runs whose workers never said that they let go; how many plans."""
    over = _unsaid().filter(run__state__in=ENDED, run__ended_at__lt=Now() - settings.RUN_LEASE)
    runs = Run.objects.filter(pk__in=over.values("run"))
    return sum(settle_asked(actor=actor, run=run) for run in runs.select_related("agent"))


def _may_have_worker(run: Run) -> bool:
    """Whether a worker from which an ended run was taken has neither let go yet nor been silent for longer than its lease."""
    halted = run.outcome.get("halt", {})
    if not halted or halted.get("gone_at"):
        return False
    return run.ended_at is not None and run.ended_at + settings.RUN_LEASE > datetime.now(UTC)
