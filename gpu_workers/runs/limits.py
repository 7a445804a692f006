"""What a run may take at most, as the policy in force says, and whether its task is still its own: asked before every step
that has not happened yet."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, QuerySet, Sum, Value
from django.db.models.functions import Now

from governance.selectors.policy import active_policy
from gpu_workers.actions.changes import ClaimGone
from gpu_workers.models import Run, RunStep
from gpu_workers.working_time import time_worked
from workflows.models import Task

TASK = "task:"


class LimitMet(Exception):
    """The run has taken all that the policy allows one run; a person has to look. `evidence` is kept with the run."""

    def __init__(self, reason: str, evidence: dict[str, Any]) -> None:
        super().__init__(reason)
        self.evidence = evidence


def refuse_spent(run: Run, key: str) -> None:
    """Raises `LimitMet` where `run`, a locked row, may take no further step `key`, and `Denied` without a policy.

    Raises `ClaimGone` where its task was released or claimed anew: nothing more is spent for nothing. Steps and their tokens
    are counted from what is stored, whoever did them. Calls under way at this moment count once they are over.
    """
    now, lost = _now_and_lost(run)
    if lost:
        task = run.subject.removeprefix(TASK)
        raise ClaimGone(f"The claim on {task} that run {run.number} worked under has ended; it goes no further.")
    policy = active_policy()
    limits = policy.document.runs
    others = run.steps.exclude(key=key)
    taken = others.aggregate(steps=Count("pk"), tokens=Sum(F("tokens_in") + F("tokens_out"), default=0))
    minutes = (time_worked(run, now) - _in_line(others)) // timedelta(minutes=1)
    for name, allowed, used in (
        ("steps", limits.steps, taken["steps"]),
        ("tokens", limits.tokens, taken["tokens"]),
        ("minutes", limits.minutes, minutes),
    ):
        if used >= allowed:
            reason = f"It took {used} {name}; version {policy.version} of the policy allows a run {allowed}."
            raise LimitMet(
                reason, {"limit": {"name": name, "allowed": allowed, "used": used, "policy": policy.version}}
            )


def _now_and_lost(run: Run) -> tuple[datetime, bool]:
    """The database's clock, and whether the run's task has another claim by now, or none. One statement.

    A claim's token is of nobody else: releasing the task takes the next one already.
    """
    lost: Value | Exists = Value(False)
    if run.subject.startswith(TASK):
        about = Task.objects.filter(reference=run.subject.removeprefix(TASK))
        lost = Exists(about.exclude(claim_token=int(run.claim.rpartition(":")[2])))
    found: tuple[datetime, bool] = Run.objects.filter(pk=run.pk).values_list(Now(), lost).get()
    return found


def _in_line(steps: QuerySet[RunStep]) -> timedelta:
    """How long calls stood in line for a place at their engine, moments in which several did counted once."""
    rows = (
        steps.filter(response__queued_ms__gt=0).order_by("started_at").values_list("started_at", "response__queued_ms")
    )
    total, counted = timedelta(), datetime.min.replace(tzinfo=UTC)
    for since, milliseconds in rows:
        until = since + timedelta(milliseconds=milliseconds)
        total += max(until - max(since, counted), timedelta())
        counted = max(counted, until)
    return total
