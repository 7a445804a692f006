"""The kill switch over what the platform carries out for agents outside of runs: asked before each effect, and during CI."""

import logging
import threading
from collections.abc import Callable

from django.db import OperationalError, connection

from governance.selectors.holds import is_held
from governance.views import HoldView
from gpu_workers.models import ChangeRequest
from gpu_workers.selectors import change_of_task
from guildhall.kernel.tenancy import current_tenant, tenant_scope
from workflows.models import Story

logger = logging.getLogger(__name__)
BEAT_SECONDS = 0.5


def hold_on_change(change: ChangeRequest) -> HoldView | None:
    """The kill switch that keeps `change` from its branch: one of its author, its run, its strategy, or of everything."""
    strategy = Story.objects.filter(tasks__reference=change.task).values_list("strategy", flat=True).first()
    run = str(change.run.number) if change.run else ""
    return is_held(strategy=str(strategy or ""), agent=change.author, run=run)


def merge_stopped(subject: str) -> bool:
    """Whether a kill switch keeps the change of the task `subject` from being merged; of anything else, whether one is on."""
    change = change_of_task(subject.partition(":")[2]) if subject.startswith("task:") else None
    return (hold_on_change(change) if change else is_held()) is not None


class HoldWatch:
    """A thread that asks `held` every half second, in the current tenant's scope, and sets `stop` once it answers.

    `hold` is what it found. A command that is given `stop` ends within its own tick.
    """

    def __init__(self, held: Callable[[], HoldView | None]) -> None:
        self.stop = threading.Event()
        self.hold: HoldView | None = None
        self._held, self._schema = held, current_tenant()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"hold-watch-{self._schema}", daemon=True)

    def __enter__(self) -> "HoldWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finished.set()
        self._thread.join(timeout=10)

    def _watch(self) -> None:
        while not self._finished.wait(BEAT_SECONDS):
            try:
                with tenant_scope(self._schema):
                    self.hold = self._held()
            except OperationalError:
                # Without the database nothing of what the command finds could be kept either; it is asked again.
                logger.warning("the kill switch of %s could not be asked", self._schema, exc_info=True)
            finally:
                connection.close()
            if self.hold is not None:
                self.stop.set()
                return
