"""Stopping running work from outside: it loses its lease at once, its worker lets go, and it can go on afterwards."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from governance.halting import Halted
from governance.views import HoldView
from gpu_workers.actions.leases import fenced
from gpu_workers.events import RunHalted, RunLetGo
from gpu_workers.models import Run
from gpu_workers.models.run import RunKind, RunState
from gpu_workers.working_time import end_spell
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from workflows.models import CouncilSeat
from workflows.selectors.planned import database_now


class NothingToLetGo(Conflict):
    """The run was not taken from this worker by a halt, or the worker has said before that it let go."""


LISTED = 20
CALL = "model"
PROCESSES = ("tool", "ci")
"""Kinds of steps that are model calls, and that start commands."""


def halt_runs(actor: Actor, hold: HoldView) -> list[Halted]:
    """Take the lease of every running run that `hold` concerns; within the action that places the hold."""
    running = Run.objects.filter(state=RunState.RUNNING).order_by("pk").select_for_update(of=("self",))
    if hold.kind == "run":
        running = running.filter(number=int(hold.target) if hold.target.isdecimal() else 0)
    if hold.kind == "strategy":
        running = running.filter(strategy=hold.target)
    rows = list(running.select_related("agent"))
    if hold.kind == "agent":
        rows = [run for run in rows if hold.target in agents_at(run)]
    return [put_back(run, actor, hold, step="run.put_back") for run in rows]


def agents_at(run: Run) -> list[str]:
    """References of the agents that are at work in a run; their kill switches stop it."""
    agents = [run.agent.ref]
    if run.kind == RunKind.COUNCIL:
        seats = CouncilSeat.objects.filter(council=int(run.subject.partition(":")[2]))
        agents += seats.values_list("agent", flat=True)
    return list(dict.fromkeys(agents))


def put_back(run: Run, actor: Actor, hold: HoldView, *, step: str = "", gone: bool = False) -> Halted:
    """Fence a locked run off; it waits for the end of the hold and goes on from its stored steps then.

    Until its worker says that it let go, or its lease has run out, nobody else takes it up.
    """
    halted = note_halt(run, actor, hold.sentence, hold=hold, step=step, gone=gone)
    end_spell(run, database_now())
    run.put_back()
    run.fence += 1
    run.reason = hold.sentence[:500]
    run.lease_until = None if gone else run.lease_until
    run.save(update_fields=["state", "fence", "reason", "lease_until", "outcome"])
    return halted


def note_halt(
    run: Run, actor: Actor, reason: str, *, hold: HoldView | None = None, step: str = "", gone: bool = False
) -> Halted:
    """Write down what a locked running run is stopped in; `gone` when its worker says so itself. Saves no row."""
    under_way = list(run.steps.filter(finished_at=None).order_by("pk")[:LISTED])
    commands = [one.title for one in under_way if one.kind in PROCESSES]
    calls = [one.title for one in under_way if one.kind == CALL]
    now = datetime.now(UTC).isoformat()
    run.outcome = {
        **run.outcome,
        "halt": {"hold": hold.ref if hold else "", "fence": run.fence, "at": now, "gone_at": now if gone else "",
                 "commands": commands, "calls": calls},
    }  # fmt: skip
    event = RunHalted(
        subject=run.ref,
        hold=hold.ref if hold else "",
        hold_id=hold.id if hold else 0,
        agent=run.agent.ref,
        commands=commands,
        calls=calls,
        reason=reason[:500],
    )
    record(event, actor=actor, reason=reason, step=step)
    return Halted(run.ref, run.title, run.agent.ref, tuple(commands), tuple(calls))


@governed("run.put_back", lock="run")
def rest_under(*, actor: Actor, run: Run, fence: int, hold: HoldView) -> None:
    """A worker that found a kill switch gives its run back, having ended everything. Raises `Conflict` without a lease."""
    fenced(run, fence)
    put_back(run, actor, hold, gone=True)


@governed("run.let_go", lock="run")
def note_let_go(*, actor: Actor, run: Run, fence: int) -> None:
    """The worker whose lease was taken by a halt has ended everything. Raises `Conflict` when it was not, or said so."""
    halted: dict[str, Any] = run.outcome.get("halt", {})
    if halted.get("fence") != fence or halted.get("gone_at"):
        raise NothingToLetGo(f"run {run.number} was not taken from fence {fence} by a halt")
    run.outcome = {**run.outcome, "halt": {**halted, "gone_at": datetime.now(UTC).isoformat()}}
    run.lease_until = None
    run.save(update_fields=["outcome", "lease_until"])
    record(RunLetGo(subject=run.ref, fence=fence), actor=actor)


def still_there(refs: Iterable[str]) -> list[str]:
    """Which of these halted runs have a worker that has not said yet that nothing of them is left."""
    numbers = [int(ref.partition(":")[2]) for ref in refs if ref.startswith("run:")]
    rows = Run.objects.filter(number__in=numbers, outcome__halt__gone_at="").order_by("number")
    return [row.ref for row in rows]
