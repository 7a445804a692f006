"""What wakes runs that met a budget: a decision, a changed limit. Time is the scheduler's (`tasks.py`)."""

from governance.actions.overrides import KIND
from governance.events import (
    ApprovalDecided,
    ApprovalExecuted,
    ApprovalExpired,
    ApprovalVoided,
    BudgetLimitRemoved,
    BudgetLimitSet,
    PolicyActivated,
)
from gpu_workers.budgets import look_at, look_at_waiting, take_back, wake_for_limit
from gpu_workers.events import RunEnded
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from guildhall.kernel.consumers import Delivered, consumer


@consumer("agents.budgets", kinds=[RunEnded])
def ask_for_room(event: Delivered) -> None:
    """A run met a limit and waits: people are asked. One that has ended asks nothing any more."""
    number = int(event.data.subject.partition(":")[2])
    run = Run.objects.select_related("agent").filter(number=number).first()
    if run is None or "budget" not in run.outcome:
        return
    if run.state == RunState.WAITING:
        look_at(run)
    elif not run.is_open:
        take_back(run)


@consumer(
    "agents.overrides", kinds=[ApprovalDecided, ApprovalExecuted, ApprovalExpired, ApprovalVoided, PolicyActivated]
)
def take_decision(event: Delivered) -> None:
    """A question about a budget is decided, carried out, or asked no more: its runs go on, or a person takes over.

    Nobody may answer one under a policy that has changed: people are asked anew.
    """
    told = event.data
    assert isinstance(told, ApprovalDecided | ApprovalExecuted | ApprovalExpired | ApprovalVoided | PolicyActivated)
    if isinstance(told, PolicyActivated) or told.approval_kind == KIND:
        look_at_waiting()


@consumer("agents.limits", kinds=[BudgetLimitSet, BudgetLimitRemoved])
def try_again(event: Delivered) -> None:
    """A limit was changed: runs that met it try again."""
    _, kind, scope_id, _ = event.data.subject.split(":", 3)
    wake_for_limit(kind, "" if scope_id == "*" else scope_id)
