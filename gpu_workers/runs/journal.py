"""The journal of a run: every step is written down before and after it happens, and never happens twice."""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from gpu_workers.actions.runs import LeaseLost, StepResult, finish_step
from gpu_workers.models import Run, RunStep
from gpu_workers.models.run import Phase, RunState
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection

Observer = Callable[[str, str], None]
"""Told of every boundary: ("begun" | "answered" | "done", step key). Tests kill the worker there."""


def ignore(boundary: str, key: str) -> None:
    """The observer of a run that nobody watches."""


class Journal:
    """Steps of one run as seen by the worker that holds `fence`."""

    def __init__(self, run: Run, actor: Actor, observe: Observer = ignore) -> None:
        self.run = run
        self.fence = run.fence
        self.actor = actor
        self._observe = observe

    def step(
        self, key: str, *, kind: str, phase: Phase, title: str, request: dict[str, Any], do: Callable[[], StepResult]
    ) -> dict[str, Any]:
        """The response of step `key`: the stored one, or that of `do()`, stored. No connection is held during `do()`."""
        stored = self._begin(key, kind, phase, title, request)
        if stored is not None:
            return stored
        self._observe("begun", key)
        release_connection()
        result = do()
        self._observe("answered", key)
        finish_step(actor=self.actor, run=self.run, fence=self.fence, key=key, result=result)
        self._observe("done", key)
        return result.response

    def finished(self, key: str) -> dict[str, Any] | None:
        """The stored response of a finished step."""
        step = RunStep.objects.filter(run=self.run, key=key, finished_at__isnull=False).first()
        return None if step is None else (step.response or {})

    def _begin(self, key: str, kind: str, phase: Phase, title: str, request: dict[str, Any]) -> dict[str, Any] | None:
        with transaction.atomic(durable=True):
            held = Run.objects.select_for_update().filter(pk=self.run.pk, fence=self.fence, state=RunState.RUNNING)
            if not held.exists():
                raise LeaseLost(f"run {self.run.number} is held by another worker or has ended")
            step, _ = RunStep.objects.get_or_create(
                run=self.run,
                key=key,
                defaults={"kind": kind, "phase": phase, "title": title[:300], "request": request},
            )
        return None if step.finished_at is None else (step.response or {})
