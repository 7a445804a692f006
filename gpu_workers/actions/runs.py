"""The life of a run, one action per change. Every write of a running run is fenced: it carries the fence it was taken with."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Max, Q
from django.db.models.functions import Now

from governance.actions.allowances import Limited, take_allowance
from governance.halting import keep_holds_out
from governance.selectors import is_held
from governance.views import HoldView
from gpu_workers.actions.halts import agents_at, note_halt
from gpu_workers.actions.leases import LeaseLost as LeaseLost
from gpu_workers.actions.leases import fenced
from gpu_workers.applying.outcomes import begun_in, ending
from gpu_workers.events import (
    AgentWorkCompleted,
    RunAdvanced,
    RunEnded,
    RunPostponed,
    RunQueued,
    RunStepFinished,
    RunTaken,
    ToolRefusedEvent,
)
from gpu_workers.models import Agent, Run, RunStep
from gpu_workers.models.run import AWAITS, AWAY_SINCE, DEATHS, Phase, RunKind, RunState
from gpu_workers.prompts import digest_of
from gpu_workers.tools.registry import changes_files
from gpu_workers.working_time import begin_spell, end_spell
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from workflows.selectors.planned import database_now


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a run is about. `claim` is unique for one claim of the subject, so one claim makes one run."""

    kind: RunKind
    subject: str
    story: str
    title: str
    claim: str
    repository: str = ""
    strategy: str = ""


@governed("run.queue", lock="agent")
def queue_run(*, actor: Actor, agent: Agent, new: NewRun) -> Run:
    """Give `agent` a piece of work. Raises `Conflict` when the subject already has an open run of this kind.

    Raises `RateLimited` when the policy allows no more of them today.
    """
    if not agent.active:
        raise Conflict(f"{agent.title} is not active.")
    open_run = Q(subject=new.subject, kind=new.kind, state__in=[RunState.QUEUED, RunState.RUNNING, RunState.WAITING])
    known = Run.objects.filter(open_run | Q(claim=new.claim)).first()
    if known is not None:
        raise Conflict(f"run {known.number} already works on this.", run=known.number)
    take_allowance(Limited.AGENT_RUNS)
    number = (Run.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    run = Run.objects.create(
        number=number,
        kind=new.kind,
        subject=new.subject,
        story=new.story,
        strategy=new.strategy,
        title=new.title[:200],
        agent=agent,
        claim=new.claim,
        repository=new.repository,
        prompt_version=agent.prompt_version,
        prompt_sha256=digest_of(agent.kind, agent.prompt_version, changes_files=changes_files(agent.role)),
    )
    record(RunQueued(subject=run.ref, agent=agent.ref, run_kind=new.kind, about=new.subject), actor=actor)
    return run


@governed("run.take", lock="run")
def take_run(*, actor: Actor, run: Run, worker: str) -> Run:
    """Take the lease of a run that nobody holds. Raises `LeaseLost` when it is held, or not to be run now.

    No hold slips in between: one that is placed at this moment comes before this, or finds the run under way.
    """
    if not keep_holds_out():
        raise LeaseLost(f"run {run.number} is not to be run now: a kill switch is being placed")
    if hold := hold_on(run):
        raise LeaseLost(f"run {run.number} is not to be run now: {hold.sentence}")
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    due = Q(retry_at=None) | Q(retry_at__lte=Now())
    takeable = Q(pk=run.pk, state__in=[RunState.QUEUED, RunState.RUNNING])
    if not Run.objects.filter(takeable & free & due).exists():
        raise LeaseLost(f"run {run.number} is {run.state} and not free")
    if run.state == RunState.RUNNING and run.lease_until is not None:
        run.outcome = {**run.outcome, DEATHS: int(run.outcome.get(DEATHS, 0)) + 1}
    run.take()
    run.fence += 1
    run.worker = worker[:80]
    if "halt" in run.outcome:
        run.reason = ""
        run.outcome = {name: value for name, value in run.outcome.items() if name not in ("halt", AWAY_SINCE)}
    begin_spell(run, database_now())
    run.save(update_fields=["state", "fence", "worker", "reason", "outcome"])
    Run.objects.filter(pk=run.pk).update(lease_until=Now() + settings.RUN_LEASE, retry_at=None)
    if run.started_at is None:
        Run.objects.filter(pk=run.pk).update(started_at=Now())
    record(RunTaken(subject=run.ref, fence=run.fence), actor=actor)
    run.refresh_from_db()
    return run


def hold_on(run: Run) -> HoldView | None:
    """The kill switch that stops `run` now, or None."""
    found = (is_held(agent=agent, strategy=run.strategy, run=str(run.number)) for agent in agents_at(run))
    return next((hold for hold in found if hold), None)


def extend_lease(run_id: int, fence: int) -> str | None:
    """Prolong the lease of the fence's holder; the reason to stop now, or None. Raises `LeaseLost` when it is gone.

    This is bookkeeping between workers and no change that anybody could have allowed or refused, so it is no action.
    """
    # A run that was just put to rest has no lease: prolonging it now would keep everybody from it.
    mine = Run.objects.filter(pk=run_id, fence=fence, state=RunState.RUNNING, lease_until__isnull=False)
    if not mine.update(lease_until=Now() + settings.RUN_LEASE):
        raise LeaseLost("the run was taken over or has ended")
    reason: str = Run.objects.values_list("cancel_requested", flat=True).get(pk=run_id)
    return reason or None


@governed("run.advance", lock="run")
def advance_run(*, actor: Actor, run: Run, fence: int, phase: Phase, round_: int, **facts: str) -> Run:
    """Move a run to its next phase and keep what the last one found (`branch`, `base_sha`, `head_sha`)."""
    fenced(run, fence)
    unknown = set(facts) - {"branch", "base_sha", "head_sha", "repository"}
    if unknown:
        raise Invalid(f"a run keeps no {', '.join(sorted(unknown))}")
    for name, value in facts.items():
        setattr(run, name, value)
    run.phase, run.round = phase, round_
    run.save(update_fields=["phase", "round", *facts])
    record(RunAdvanced(subject=run.ref, phase=phase, round=round_), actor=actor)
    return run


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a step ended: what it answered (JSON), whether it went well, and what it took; `seconds` where they are known."""

    response: dict[str, Any]
    ok: bool = True
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)
    seconds: Decimal | None = None


@governed("run.finish_step", lock="run")
def finish_step(*, actor: Actor, run: Run, fence: int, key: str, result: StepResult) -> RunStep:
    """Store a step's result. A step that is finished already keeps its first result."""
    fenced(run, fence)
    # Its worker lives, whatever the step came to; and where that is well, what it needs is there again.
    over = {DEATHS, AWAY_SINCE} if result.ok else {DEATHS}
    if over & run.outcome.keys():
        kept = {name: value for name, value in run.outcome.items() if name not in over}
        run.outcome = {**kept, "tries": 0} if result.ok else kept
        run.save(update_fields=["outcome"])
    return put_result(run, actor, key, result)


def put_result(run: Run, actor: Actor, key: str, result: StepResult) -> RunStep:
    """Store the result of a locked run's step, where it has none yet, and tell what came of a plan that it began to apply."""
    step = RunStep.objects.select_for_update().get(run=run, key=key)
    if step.finished_at is None:
        step.response, step.ok = result.response, result.ok
        step.tokens_in, step.tokens_out, step.cost = result.tokens_in, result.tokens_out, result.cost
        if result.seconds is not None:
            step.seconds = (step.seconds or 0) + result.seconds
        step.save(update_fields=["response", "ok", "tokens_in", "tokens_out", "cost", "seconds"])
        RunStep.objects.filter(pk=step.pk).update(finished_at=Now(), tried_at=None)
        if begun := begun_in(step.request):
            record(ending(run.ref, key, begun, result.response), actor=actor)
    event = RunStepFinished(subject=run.ref, step=key, step_kind=step.kind, title=step.title, ok=bool(step.ok))
    record(event, actor=actor)
    return step


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends: its last state, why in words, what to keep, and what it tells the work it was for."""

    state: RunState
    reason: str = ""
    outcome: dict[str, Any] = field(default_factory=dict)
    verdict: str = ""
    sha: str = ""
    feedback: str = ""
    report: dict[str, int | str] = field(default_factory=dict)


@governed("run.end", lock="run")
def end_run(*, actor: Actor, run: Run, fence: int, ending: Ending) -> Run:
    """End a run that this worker holds; with a verdict, the work it was for moves on."""
    fenced(run, fence)
    {
        RunState.SUCCEEDED: run.succeed,
        RunState.FAILED: run.fail,
        RunState.ESCALATED: run.escalate,
        RunState.WAITING: run.wait_for_person,
        RunState.CANCELLED: run.cancel,
    }[ending.state]()
    if ending.verdict:
        record(_completed(run, ending), actor=actor)
    return _ended(run, actor, ending.reason, ending.outcome)


def _completed(run: Run, ending: Ending) -> AgentWorkCompleted:
    return AgentWorkCompleted(
        subject=run.subject,
        run=run.number,
        run_kind=run.kind,
        agent=run.agent.name,
        claim=run.claim,
        verdict=ending.verdict,
        sha=ending.sha,
        feedback=ending.feedback,
        report=ending.report,
    )


MAX_POSTPONED = 5
"""Tries in a row without what is needed, a model server or the sandbox, that are made at least before anybody gives up."""


def last_try(run: Run) -> bool:
    """Whether a run is without what it needs for the `MAX_POSTPONED`th time in a row when it is so once more."""
    return int(run.outcome.get("tries", 0)) + 1 >= MAX_POSTPONED


@governed("run.postpone", lock="run")
def postpone_run(
    *, actor: Actor, run: Run, fence: int, seconds: float, reason: str, patient: bool = False, route: str = ""
) -> Run:
    """Let a run rest: what it needs (a model server, the sandbox) is away. Any worker takes it up again afterwards.

    A `patient` rest is for something that takes its time; it is no failed try. Of the others the first is kept, until the
    run gets on. One for want of a model of `route` ends when an engine of that is there again.
    """
    fenced(run, fence)
    tries = int(run.outcome.get("tries", 0)) + (0 if patient else 1)
    since = {} if patient else {AWAY_SINCE: run.outcome.get(AWAY_SINCE) or database_now().isoformat()}
    run.outcome = {**run.outcome, "tries": tries, AWAITS: route, **since}
    end_spell(run, database_now())
    run.reason = reason[:500]
    run.save(update_fields=["outcome", "reason"])
    Run.objects.filter(pk=run.pk).update(lease_until=None, retry_at=Now() + timedelta(seconds=seconds))
    record(RunPostponed(subject=run.ref, reason=run.reason, tries=tries), actor=actor)
    return run


@governed("run.refuse_tool", lock="run")
def note_refusal(
    *, actor: Actor, run: Run, fence: int, key: str, tool: str, reason: str, response: dict[str, Any]
) -> None:
    """Record that a tool call was refused before anything ran, and put by what its step `key` answers.

    Both or neither: a worker that finds the answer put by has nothing to record any more.
    """
    fenced(run, fence)
    RunStep.objects.filter(run=run, key=key, finished_at=None).update(response=response)
    record(ToolRefusedEvent(subject=run.ref, tool=tool, reason=reason[:500]), actor=actor)


@governed("run.cancel", lock="run")
def cancel_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """Stop a run for good. A worker that is at it notices within a second, ends what it started and says so."""
    if not run.is_open:
        raise Conflict(f"run {run.number} has ended already ({run.state}).")
    run.cancel_requested = reason[:200]
    if run.state == RunState.RUNNING:
        note_halt(run, actor, reason)
    run.cancel()
    return _ended(run, actor, reason, {})


def _ended(run: Run, actor: Actor, reason: str, outcome: dict[str, Any]) -> Run:
    end_spell(run, database_now())
    run.reason, run.outcome, run.lease_until = reason, {**run.outcome, **outcome}, None
    run.save(update_fields=["state", "reason", "outcome", "lease_until", "cancel_requested"])
    if run.state != RunState.WAITING:
        Run.objects.filter(pk=run.pk).update(ended_at=Now())
    event = RunEnded(subject=run.ref, state=run.state, agent=run.agent.ref, about=run.subject, reason=reason[:500])
    record(event, actor=actor)
    return run
