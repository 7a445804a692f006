"""The journal of a run: every step is written down before and after it happens, and never happens twice."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from gpu_workers.actions.runs import LeaseLost, StepResult, finish_step
from gpu_workers.models import Run, RunStep
from gpu_workers.models.run import Phase, RunState
from gpu_workers.runs.limits import refuse_spent
from gpu_workers.runs.unpaid import refuse_unpaid
from gpu_workers.runs.using import STEP, TIMED
from guildhall.kernel import progress
from guildhall.kernel.actor import Actor
from guildhall.kernel.redaction import redact_data
from guildhall.kernel.tenancy import release_connection

Observer = Callable[[str, str], None]
"""Told of every boundary: ("begun" | "kept" | "answered" | "done", step key). Tests kill the worker there."""


def ignore(boundary: str, key: str) -> None:
    """The observer of a run that nobody watches."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a step. `again` when an earlier worker began it and died; `request` is what was written down then.

    `kept` is an answer that the earlier worker had put aside with `keep` before it finished with it.
    """

    again: bool
    request: dict[str, Any]
    kept: dict[str, Any] | None
    keep: Callable[[dict[str, Any]], None]


Do = Callable[[Attempt], StepResult]


class Journal:
    """Steps of one run as seen by the worker that holds `fence`."""

    def __init__(self, run: Run, actor: Actor, observe: Observer = ignore) -> None:
        self.run = run
        self.fence = run.fence
        self.actor = actor
        self._observe = observe

    def of(self, actor: Actor) -> "Journal":
        """The same journal, its steps done by another agent."""
        return Journal(self.run, actor, self._observe)

    def step(self, key: str, *, kind: str, phase: Phase, title: str, request: dict[str, Any], do: Do) -> dict[str, Any]:
        """The response of step `key`: the stored one, or what `do` brings, stored. `do` runs without a connection.

        Raises `LimitMet` in place of a step that the run may not take any more, and `LimitExceeded` in place of a command for
        which there is no money; what is stored is answered all the same.
        """
        progress.say(phase)
        step, again = self._begin(key, kind, phase, title, request)
        if step.finished_at is not None:
            return dict(step.response or {})
        self._observe("begun", key)
        release_connection()
        began = time.monotonic()
        result = do(Attempt(again, step.request, step.response, lambda response: self._keep(key, response)))
        result = replace(result, seconds=Decimal(time.monotonic() - began).quantize(STEP))
        self._observe("answered", key)
        finish_step(actor=self.actor, run=self.run, fence=self.fence, key=key, result=result)
        self._observe("done", key)
        return result.response

    def finished(self, key: str) -> dict[str, Any] | None:
        """The stored response of a finished step."""
        step = RunStep.objects.filter(run=self.run, key=key, finished_at__isnull=False).first()
        return None if step is None else dict(step.response or {})

    def kept(self, key: str) -> dict[str, Any] | None:
        """What step `key` keeps as its response, also where its worker died before it finished the step."""
        step = RunStep.objects.filter(run=self.run, key=key, response__isnull=False).first()
        return None if step is None else dict(step.response or {})

    def begun(self, key: str) -> bool:
        """Whether a worker that is gone began this step and kept no answer of it."""
        return RunStep.objects.filter(run=self.run, key=key, finished_at=None, response__isnull=True).exists()

    def begun_with(self, key: str) -> dict[str, Any]:
        """What was asked for in step `key` by whoever began it; nothing where nobody did."""
        request = RunStep.objects.filter(run=self.run, key=key).values_list("request", flat=True).first()
        return dict(request or {})

    def close(self, key: str, result: StepResult) -> None:
        """Finish a step that a worker left behind."""
        finish_step(actor=self.actor, run=self.run, fence=self.fence, key=key, result=result)

    def _begin(self, key: str, kind: str, phase: Phase, title: str, request: dict[str, Any]) -> tuple[RunStep, bool]:
        with transaction.atomic(durable=True):
            run = self._hold()
            step = RunStep.objects.filter(run=run, key=key).first()
            if step is not None and step.finished_at is not None:
                return step, True
            refuse_spent(run, key)
            if kind in TIMED:
                refuse_unpaid(run)
            if step is not None:
                RunStep.objects.filter(pk=step.pk).update(tried_at=Now())
                return step, True
            about = {"kind": kind, "phase": phase, "title": title[:300], "request": request}
            return RunStep.objects.create(run=run, key=key, tried_at=Now(), **about), False

    def _keep(self, key: str, response: dict[str, Any]) -> None:
        with transaction.atomic(durable=True):
            self._hold()
            RunStep.objects.filter(run=self.run, key=key, finished_at=None).update(response=redact_data(response))
        release_connection()
        self._observe("kept", key)

    def _hold(self) -> Run:
        rows = Run.objects.select_for_update().filter(pk=self.run.pk, fence=self.fence, state=RunState.RUNNING)
        held = rows.first()
        if held is None:
            raise LeaseLost(f"run {self.run.number} is held by another worker or has ended")
        return held
