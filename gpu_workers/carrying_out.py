"""The kill switch over what the platform carries out for agents outside of runs: asked before each effect, during git and CI."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from governance.selectors import latest_approval
from governance.selectors.holds import is_held
from governance.views import HoldView
from gpu_workers.models import ChangeRequest, Errand
from gpu_workers.models.errand import ErrandKind
from gpu_workers.repos.stopping import GitStopped, stopping_with
from gpu_workers.runs.keeper import HoldWatch
from gpu_workers.selectors import change_of_task
from workflows.models import Story


class CutOff(Exception):
    """The kill switch `hold` ended what was under way, which says nothing of the change."""

    def __init__(self, hold: HoldView) -> None:
        super().__init__(hold.sentence)
        self.hold = hold


@contextmanager
def watched(held: Callable[[], HoldView | None]) -> Iterator[HoldWatch]:
    """Within it git is ended once `held` answers, and raises `CutOff`; `stop` of what it gives ends other work."""
    with HoldWatch(held) as watch, stopping_with(watch.stop):
        try:
            yield watch
        except GitStopped as stopped:
            if watch.hold is None:
                raise
            raise CutOff(watch.hold) from stopped


def hold_on_change(change: ChangeRequest) -> HoldView | None:
    """The kill switch that keeps `change` from its branch: one of its author, its run, its strategy, or of everything."""
    strategy = Story.objects.filter(tasks__reference=change.task).values_list("strategy", flat=True).first()
    run = str(change.run.number) if change.run else ""
    return is_held(strategy=str(strategy or ""), agent=change.author, run=run)


def merge_stopped(subject: str) -> bool:
    """Whether the merge of the task `subject` is not to be ordered anew: a kill switch keeps it back, or it waits for its turn.

    Of anything else, whether a kill switch is on.
    """
    change = change_of_task(subject.partition(":")[2]) if subject.startswith("task:") else None
    if change is None:
        return is_held() is not None
    return hold_on_change(change) is not None or _is_ordered(subject)


def _is_ordered(subject: str) -> bool:
    last = latest_approval(subject, kind="merge")
    return last is not None and Errand.objects.filter(kind=ErrandKind.MERGE, number=last.number).exists()
