"""A worker takes a run, does what its kind says and ends it; who takes it over after a crash goes on from its journal."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime

from django.db import DataError, InterfaceError, OperationalError

from governance.selectors.holds import Held
from governance.views import HoldView
from gpu_workers.actions.changes import ClaimGone
from gpu_workers.actions.halts import NothingToLetGo, note_let_go, rest_under
from gpu_workers.actions.runs import Ending, LeaseLost, cancel_run, end_run, hold_on, postpone_run, take_run
from gpu_workers.councils.deliberation import deliberate
from gpu_workers.forges import NotYet
from gpu_workers.incidents.triage import triage
from gpu_workers.models import Run
from gpu_workers.models.run import BLAMELESS, DEATHS, UNCLAIMED, RunKind, RunState
from gpu_workers.planner.proposing import propose
from gpu_workers.repos.git import GitError
from gpu_workers.repos.stopping import GitStopped, stopping_with
from gpu_workers.runs.brief import brief_of
from gpu_workers.runs.context import Forbidden, RunContext, Stopped, Unanswered
from gpu_workers.runs.journal import Journal, Observer, ignore
from gpu_workers.runs.judging import review, test
from gpu_workers.runs.keeper import Keeper
from gpu_workers.runs.limits import LimitMet
from gpu_workers.runs.planning import plan
from gpu_workers.runs.resting import MACHINE, Rest, again, is_of_the_machine
from gpu_workers.runs.work import work
from guildhall.kernel.actor import system_actor
from guildhall.kernel.clashes import Clash
from guildhall.kernel.errors import Conflict, GuildhallError, LimitExceeded, RateLimited, Unavailable
from guildhall.kernel.tenancy import current_tenant

logger = logging.getLogger(__name__)
ROOM = (
    "People are asked for more. It goes on here once they approve, once an admin raises the limit, or once there is room "
    "again, at the latest when the limit's next window begins; nothing that was done is repeated."
)
MAX_DEATHS = 10
WITHOUT_A_WORD = (
    f"Its worker ended, or lost the database, {MAX_DEATHS} times in a row before another step was done. "
    "The installation's log may say why; tell an admin."
)
KINDS: dict[str, Callable[[RunContext], Ending]] = {
    RunKind.PLAN: plan,
    RunKind.WORK: work,
    RunKind.REVIEW: review,
    RunKind.TEST: test,
    RunKind.COUNCIL: deliberate,
    RunKind.INCIDENT: triage,
    RunKind.BACKLOG: propose,
}


def worker_name() -> str:
    """This thread of this process, as pages show it."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident() % 100_000}"


def execute(number: int, observe: Observer = ignore) -> None:
    """Work on run `number` of the current tenant until it ends, rests, or somebody else holds it."""
    run = Run.objects.select_related("agent").filter(number=number).first()
    if run is None or not run.is_open:
        return
    if hold := hold_on(run):
        # It stays where it is: the scheduler offers it again until the hold ends.
        logger.info("run %s is not taken: %s", number, hold.sentence)
        return
    actor = run.agent.actor()
    try:
        run = take_run(actor=actor, run=run, worker=worker_name())
    except LeaseLost:
        return
    journal = Journal(run, actor, observe)
    try:
        with Keeper(current_tenant(), run.pk, run.fence, _hold_question(run)) as keeper:
            ending = _given_up(run) or _carry_out(run, journal, keeper)
            if keeper.lost:
                raise LeaseLost(keeper.reason)
            finish(run, journal, ending)
    except LeaseLost:
        _let_go(run, journal)
    except (OperationalError, InterfaceError):
        # The database went away: nothing that is said now would be kept. The lease runs out, and the run goes on then.
        logger.warning("run %s is left to whoever takes it over", number, exc_info=True)


def _given_up(run: Run) -> Ending | None:
    """How a run ends that took its worker with it too often."""
    if run.outcome.get(DEATHS, 0) < MAX_DEATHS:
        return None
    return Ending(RunState.FAILED, reason=WITHOUT_A_WORD, outcome={BLAMELESS: True})


def _let_go(run: Run, journal: Journal) -> None:
    """Everything of a run that was taken away is over: say so, where it was a halt that took it."""
    try:
        note_let_go(actor=journal.actor, run=run, fence=journal.fence)
    except NothingToLetGo:
        logger.info("run %s was taken over", run.number)


def _carry_out(run: Run, journal: Journal, keeper: Keeper) -> Ending | HoldView | Rest:
    """How the run ends, the kill switch that it rests under, or the rest after which to try again."""
    try:
        context = RunContext(
            run=run,
            agent=run.agent,
            actor=journal.actor,
            journal=journal,
            keeper=keeper,
            brief=brief_of(run),
        )
        with stopping_with(keeper.stop):
            return KINDS[run.kind](context)
    except (Forbidden, Unanswered) as end:
        return Ending(RunState.ESCALATED, reason=str(end))
    except LimitMet as met:
        return Ending(RunState.ESCALATED, reason=str(met), outcome=met.evidence)
    except Stopped as stop:
        return _stopped(keeper, str(stop))
    except GitStopped:
        return _stopped(keeper, keeper.reason)
    except Held as held:
        return held.hold
    except LimitExceeded as limit:
        return Ending(RunState.WAITING, reason=f"{limit.detail} {ROOM}", outcome={"budget": limit.extra})
    except NotYet as wait:
        return Rest(wait.seconds, wait.detail, patient=True)
    except RateLimited as limit:
        return Rest(float(limit.extra["retry_after"]), limit.detail, patient=True)
    except Unavailable as trouble:
        return _stopped(keeper, keeper.reason) if keeper.stop.is_set() else _without(run, trouble)
    except Clash as clash:
        # Nothing of its last step is written down, so that the step is done again; what it did before is not.
        return again(run, clash.detail, "somebody else acted on the same at this moment")
    except (LeaseLost, OperationalError, InterfaceError):
        raise
    except ClaimGone as gone:
        return Ending(RunState.CANCELLED, reason=gone.detail, outcome={UNCLAIMED: True})
    except GuildhallError as error:
        return Ending(RunState.FAILED, reason=error.detail)
    except Exception as error:
        return _broken(run, error)


def _stopped(keeper: Keeper, reason: str) -> Ending | HoldView:
    """A run that was told to stop rests under the kill switch that told it to; where there is none, it is cancelled."""
    return keeper.hold or Ending(RunState.CANCELLED, reason=reason)


def _without(run: Run, trouble: Unavailable) -> Ending | Rest:
    """What it needs, a model's engine or a service, is not there, or none of them takes what it asks."""
    wrong, route = bool(trouble.extra.get("refused")), str(trouble.extra.get("route", ""))
    return again(run, trouble.detail, "what it needs is away", asked_wrong=wrong, route=route)


def _broken(run: Run, error: Exception) -> Ending | Rest:
    """Something went wrong that nobody foresaw, in the code or on the machine: called while it is handled."""
    logger.exception("run %s broke", run.number)
    if is_of_the_machine(error):
        return again(run, MACHINE, "the machine it works on is in trouble")
    # Our own sentences on a repository say what is wrong with it, and what is accepted.
    reason = error.said if isinstance(error, GitError) else f"It broke: {type(error).__name__}."
    return Ending(RunState.FAILED, reason=reason)


def finish(run: Run, journal: Journal, ending: Ending | HoldView | Rest) -> None:
    """Write down how the run ends or rests. What no database can hold has it fail, or it would be tried without end."""
    try:
        _write_down(run, journal, ending)
    except (DataError, ValueError, RecursionError) as error:
        logger.exception("run %s came to something that cannot be kept", run.number)
        failed = Ending(RunState.FAILED, reason=f"What it came to cannot be kept: {type(error).__name__}.")
        end_run(actor=journal.actor, run=run, fence=journal.fence, ending=failed)


def _write_down(run: Run, journal: Journal, ending: Ending | HoldView | Rest) -> None:
    if isinstance(ending, Ending):
        end_run(actor=journal.actor, run=run, fence=journal.fence, ending=ending)
    elif isinstance(ending, HoldView):
        rest_under(actor=journal.actor, run=run, fence=journal.fence, hold=ending)
    else:
        postpone_run(
            actor=journal.actor,
            run=run,
            fence=journal.fence,
            seconds=ending.seconds,
            reason=ending.reason,
            patient=ending.patient,
            route=ending.route,
        )


def _hold_question(run: Run) -> Callable[[], HoldView | None]:
    """The kill switch, asked every second while a worker is at the run."""
    return lambda: hold_on(run)


def stop_runs(subject: str, reason: str, *, begun_by: datetime) -> int:
    """Cancel all open runs about `subject` (a task's or a story's reference) that were made by then; how many."""
    stopped = 0
    actor = system_actor("dispatcher", current_tenant())
    for run in Run.objects.filter(state__in=["queued", "running", "waiting"], created_at__lte=begun_by):
        if subject in (run.subject, run.story):
            try:
                cancel_run(actor=actor, run=run, reason=reason)
                stopped += 1
            except Conflict:
                continue
    return stopped
