"""How a run outlasts what it needs being away: it rests, ever longer, for an hour, and nothing of that is its agent's fault."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from gpu_workers.actions.runs import Ending, last_try
from gpu_workers.models import Run
from gpu_workers.models.run import AWAY_SINCE, BLAMELESS, RunState
from gpu_workers.repos import BaseMoved, GitError, RebaseConflict, TreeTooLarge
from gpu_workers.repos.git import FlawedHistory, OutputTooLong
from gpu_workers.sandbox import SandboxUnavailable
from gpu_workers.troubles import OF_THE_MACHINE
from workflows.selectors.planned import database_now

logger = logging.getLogger(__name__)
PATIENCE = timedelta(hours=1)
SHORTEST_S, LONGEST_S = 2.0, 120.0
MACHINE = "The machine it works on is in trouble: its disk, its memory or its programs fail."
VERDICTS = (BaseMoved, FlawedHistory, OutputTooLong, RebaseConflict, TreeTooLarge)
"""What git says of the repository itself, however often it is asked."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The run goes on later: after how many seconds, and why."""

    seconds: float
    reason: str
    patient: bool = False
    """Nothing is wrong: it does not count as a try that failed."""
    route: str = ""
    """The model route for want of which it rests: it goes on as soon as an engine of that is there again."""


def again(run: Run, detail: str, reason: str, *, asked_wrong: bool = False, route: str = "") -> Ending | Rest:
    """A rest that grows with the time since the run last got on; after an hour of it the run has failed.

    Where every engine refuses the very question (`asked_wrong`) a few tries are enough.
    """
    if patience_ends(run, asked_wrong=asked_wrong):
        for_long = "" if asked_wrong else "Given up after an hour of waiting. "
        return Ending(RunState.FAILED, reason=f"{for_long}{detail}", outcome={BLAMELESS: True})
    logger.info("run %s rests: %s", run.number, detail)
    return Rest(min(max(_waited(_current(run)).total_seconds() / 2, SHORTEST_S), LONGEST_S), reason, route=route)


def patience_ends(run: Run, *, asked_wrong: bool) -> bool:
    """Whether a run that is without what it needs now has been so for long enough to go on without it, or to fail."""
    current = _current(run)
    return last_try(current) and (asked_wrong or _waited(current) >= PATIENCE)


def _current(run: Run) -> Run:
    """The row may have been changed since it was taken: a step that was finished begins the hour anew."""
    return Run.objects.only("outcome").get(pk=run.pk)


def _waited(run: Run) -> timedelta:
    since = run.outcome.get(AWAY_SINCE)
    return database_now() - datetime.fromisoformat(since) if since else timedelta()


def is_of_the_machine(error: Exception) -> bool:
    """Whether the machine is in trouble, and not what the run does: its disk is full, its git ends or hangs."""
    if isinstance(error, GitError):
        # Our own sentences on what is there have neither a status of git's nor a cause.
        return not isinstance(error, VERDICTS) and (error.status != 0 or error.__cause__ is not None)
    if isinstance(error, OSError):
        return error.errno in OF_THE_MACHINE
    return isinstance(error, MemoryError | SandboxUnavailable)
