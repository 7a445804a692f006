"""A person has agents try again what they gave up on, or go on with what waits."""

from governance.actions.starters import note_starter
from gpu_workers.events import RunRetried
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from gpu_workers.selectors import given_up, tries_of
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict

ASKED = ("budget", "question", "tries", "away_since")
"""What a run's outcome says while it waits, and no more once it goes on."""
RETRY_REASON = "retry_reason"
"""In a run's outcome: why a person had agents start again after it."""


@governed("run.retry", lock="run")
def retry_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """Let agents start again where the last run of a task or story gave up; dispatch finds one that is free.

    A run that waits for a person goes on itself, from its stored steps: nothing that was done or paid for is repeated. Where
    it was refused more money and meets the same limit, people are asked once more.
    Raises `Conflict` when they have not given up, or when it was another run that did.
    """
    if run.state == RunState.WAITING:
        refused = (run.outcome.get("budget") or {}).get("refused", 0)
        _resume(run, asks_again=max(refused, run.outcome.get("asks_again", 0)))
    else:
        _start_again(run, actor, reason)
    note_starter(actor=actor, subject=run.subject)
    record(RunRetried(subject=run.ref, about=run.subject, reason=reason), actor=actor, reason=reason)
    return run


@governed("run.wake", lock="run")
def wake_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """Let a run that waits go on from its stored steps: what it asked is decided. Raises `Conflict` in other states."""
    if run.state != RunState.WAITING:
        raise Conflict(f"run {run.number} is {run.state}; it does not wait.")
    _resume(run)
    record(RunRetried(subject=run.ref, about=run.subject, reason=reason[:200]), actor=actor, reason=reason)
    return run


def _resume(run: Run, *, asks_again: int = 0) -> None:
    """`asks_again` is the refused approval after which a person lets it ask anew."""
    run.resume()
    kept = {name: value for name, value in run.outcome.items() if name not in ASKED}
    again = {"asks_again": asks_again} if asks_again else {}
    run.outcome = {**kept, **again}
    run.reason = ""
    run.save(update_fields=["state", "outcome", "reason"])


def _start_again(run: Run, actor: Actor, reason: str) -> None:
    if not given_up(run.subject, run.kind):
        raise Conflict("Agents have not given up on this; there is nothing to try again.")
    last = tries_of(run.subject, run.kind)[0]
    if last.pk != run.pk:
        raise Conflict(f"run {last.number} is the last one; retry that.", run=last.number)
    # What a person says is told to whoever tries it next; the platform's own reasons say nothing about the work.
    said = {RETRY_REASON: reason} if actor.is_person else {}
    run.outcome = {**run.outcome, "retried_by": actor.ref, **said}
    run.save(update_fields=["outcome"])
