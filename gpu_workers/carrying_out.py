"""The kill switch over what the platform carries out for agents outside of runs: asked before each effect, and during CI."""

from governance.selectors.holds import is_held
from governance.views import HoldView
from gpu_workers.models import ChangeRequest
from gpu_workers.selectors import change_of_task
from workflows.models import Story


def hold_on_change(change: ChangeRequest) -> HoldView | None:
    """The kill switch that keeps `change` from its branch: one of its author, its run, its strategy, or of everything."""
    strategy = Story.objects.filter(tasks__reference=change.task).values_list("strategy", flat=True).first()
    run = str(change.run.number) if change.run else ""
    return is_held(strategy=str(strategy or ""), agent=change.author, run=run)


def merge_stopped(subject: str) -> bool:
    """Whether a kill switch keeps the change of the task `subject` from being merged; of anything else, whether one is on."""
    change = change_of_task(subject.partition(":")[2]) if subject.startswith("task:") else None
    return (hold_on_change(change) if change else is_held()) is not None
