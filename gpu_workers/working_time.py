"""How long workers have been at a run: the time that it rests, waits for a person or lies with no worker is none of it.

Kept in the run's outcome: `worked`, the seconds of all spells that are over, and `working_since`, when the open one began.
"""

from datetime import datetime, timedelta

from gpu_workers.models import Run

WORKED, SINCE = "worked", "working_since"


def begin_spell(run: Run, now: datetime) -> None:
    """A worker takes the run at `now`. The spell of one that died ended with its lease, at the latest. Saves no row."""
    end_spell(run, min(run.lease_until or now, now))
    run.outcome = {**run.outcome, SINCE: now.isoformat()}


def end_spell(run: Run, until: datetime) -> None:
    """No worker is at the run after `until`; nothing changes where none was. Saves no row."""
    if SINCE in run.outcome:
        seconds = time_worked(run, until).total_seconds()
        run.outcome = {**{name: value for name, value in run.outcome.items() if name != SINCE}, WORKED: seconds}


def time_worked(run: Run, now: datetime) -> timedelta:
    """The time of all spells, the open one up to `now`."""
    since = run.outcome.get(SINCE)
    spell = now - datetime.fromisoformat(since) if since else timedelta()
    return timedelta(seconds=run.outcome.get(WORKED, 0)) + max(spell, timedelta())
