"""What a run may take at most, as the policy in force says: asked before every step that has not happened yet."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, F, QuerySet, Sum

from governance.selectors.policy import active_policy
from gpu_workers.models import Run, RunStep
from gpu_workers.working_time import time_worked
from workflows.selectors.planned import database_now


class LimitMet(Exception):
    """The run has taken all that the policy allows one run; a person has to look. `evidence` is kept with the run."""

    def __init__(self, reason: str, evidence: dict[str, Any]) -> None:
        super().__init__(reason)
        self.evidence = evidence


def refuse_spent(run: Run, key: str) -> None:
    """Raises `LimitMet` where `run`, a locked row, may take no further step `key`, and `Denied` without a policy.

    Steps and their tokens are counted from what is stored, whoever did them. Calls under way at this moment count once
    they are over.
    """
    policy = active_policy()
    limits = policy.document.runs
    others = run.steps.exclude(key=key)
    taken = others.aggregate(steps=Count("pk"), tokens=Sum(F("tokens_in") + F("tokens_out"), default=0))
    minutes = (time_worked(run, database_now()) - _in_line(others)) // timedelta(minutes=1)
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
