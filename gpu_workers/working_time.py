"""How long workers have been at a run: the time that it rests, waits for a person or lies with no worker is none of it.

Kept in the run's outcome: `worked`, the seconds of all spells that are over, and `working_since`, when the open one began. Steps
keep how long workers were at each of them: its last try as the worker that finished it has measured it, every other one up to
its worker's last sign of life.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings

from gpu_workers.models import Run

WORKED, SINCE = "worked", "working_since"


def begin_spell(run: Run, now: datetime) -> None:
    """A worker takes the run at `now`. The spell of one that died ended with its lease, at the latest. Saves as `end_spell`."""
    end_spell(run, min(run.lease_until or now, now))
    run.outcome = {**run.outcome, SINCE: now.isoformat()}


def end_spell(run: Run, until: datetime) -> None:
    """No worker is at the run, a locked row with its lease, after `until`; nothing changes where none was.

    Saves the steps that are left unfinished, and no row of the run.
    """
    _end_tries(run)
    if SINCE in run.outcome:
        seconds = time_worked(run, until).total_seconds()
        run.outcome = {**{name: value for name, value in run.outcome.items() if name != SINCE}, WORKED: seconds}


def _end_tries(run: Run) -> None:
    """Count what is known of tries that nobody finishes: a lease is prolonged every second as long as its worker lives.

    Each try once: it is over then, whoever takes the step up next begins another one.
    """
    if run.lease_until is None:
        return
    alive = run.lease_until - settings.RUN_LEASE
    for step in run.steps.filter(finished_at=None, tried_at__isnull=False):
        assert step.tried_at is not None
        taken = max(alive - step.tried_at, timedelta())
        step.seconds, step.tried_at = (step.seconds or 0) + Decimal(str(taken.total_seconds())), None
        step.save(update_fields=["seconds", "tried_at"])


def time_worked(run: Run, now: datetime) -> timedelta:
    """The time of all spells, the open one up to `now`."""
    since = run.outcome.get(SINCE)
    spell = now - datetime.fromisoformat(since) if since else timedelta()
    return timedelta(seconds=run.outcome.get(WORKED, 0)) + max(spell, timedelta())
