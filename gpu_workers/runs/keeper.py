"""Watching beside a worker: the kill switch, and where there is a lease that it stays the worker's until it is done."""

import logging
import threading
from collections.abc import Callable
from typing import ClassVar, Self

from django.db import OperationalError, connection

from governance.views import HoldView
from gpu_workers.actions.runs import LeaseLost, extend_lease
from guildhall.kernel.tenancy import current_tenant, tenant_scope

logger = logging.getLogger(__name__)
HOLD_SECONDS = 0.5
BEAT_SECONDS = 1.0


class HoldWatch:
    """A thread that asks `held` every half second, in the current tenant's scope, and sets `stop` once it answers.

    `hold` is what it found, `reason` that in words. A command that is given `stop` ends within its own tick.
    """

    seconds: ClassVar = HOLD_SECONDS

    def __init__(self, held: Callable[[], HoldView | None], schema: str = "") -> None:
        self.stop = threading.Event()
        self.reason = ""
        self.hold: HoldView | None = None
        self._held, self._schema = held, schema or current_tenant()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"watch-{self._schema}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finished.set()
        self._thread.join(timeout=10)

    def _watch(self) -> None:
        over = False
        while not over and not self._finished.wait(self.seconds):
            try:
                with tenant_scope(self._schema):
                    over = self._look()
            except OperationalError:
                # Asked again: without the database nothing of what the worker finds could be kept either.
                logger.warning("%s could not look", self._thread.name, exc_info=True)
            finally:
                connection.close()

    def _look(self) -> bool:
        """Whether there is nothing more to look at."""
        self.hold = self._held()
        if self.hold is not None:
            self._halt(self.hold.sentence)
        return self.hold is not None

    def _halt(self, reason: str) -> None:
        if not self.stop.is_set():
            self.reason = reason
            self.stop.set()


class Keeper(HoldWatch):
    """Prolongs a lease every second besides, and sets `stop` when it is `lost` or somebody stops the run as well.

    It is prolonged after `stop` too: whatever the worker is still at then, nobody else begins it meanwhile.
    """

    seconds: ClassVar = BEAT_SECONDS

    def __init__(self, schema: str, row: int, fence: int, held: Callable[[], HoldView | None]) -> None:
        super().__init__(held, schema)
        self.lost = False
        self._row, self._fence = row, fence

    def extend(self, row: int, fence: int) -> str | None:
        """Prolong the lease; the reason to stop now, or None. Raises `LeaseLost` when it is gone."""
        return extend_lease(row, fence)

    def _look(self) -> bool:
        try:
            reason = self.extend(self._row, self._fence)
        except LeaseLost:
            self.lost = True
            reason = "it was taken over or ended"
        if reason:
            self._halt(reason)
        elif not self.stop.is_set():
            super()._look()
        return self.lost
