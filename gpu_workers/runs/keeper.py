"""Keeps a run's lease while a worker is at it, and tells the worker when to stop."""

import logging
import threading
from collections.abc import Callable

from django.db import OperationalError, connection

from governance.views import HoldView
from gpu_workers.actions.runs import LeaseLost, extend_lease
from guildhall.kernel.tenancy import tenant_scope

logger = logging.getLogger(__name__)
BEAT_SECONDS = 1.0


class Keeper:
    """A thread that prolongs the lease every second and sets `stop` when the lease is lost or somebody stops the run.

    `held` asks the kill switch; what it finds is in `hold` afterwards.
    """

    def __init__(self, schema: str, run_id: int, fence: int, held: Callable[[], HoldView | None]) -> None:
        self.stop = threading.Event()
        self.reason = ""
        self.lost = False
        self.hold: HoldView | None = None
        self._schema, self._run_id, self._fence, self._held = schema, run_id, fence, held
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"keeper-{schema}-{run_id}", daemon=True)

    def extend(self, row: int, fence: int) -> str | None:
        """Prolong the lease; the reason to stop now, or None. Raises `LeaseLost` when it is gone."""
        return extend_lease(row, fence)

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finished.set()
        self._thread.join(timeout=10)

    def _keep(self) -> None:
        while not self._finished.wait(BEAT_SECONDS):
            try:
                with tenant_scope(self._schema):
                    reason = self.extend(self._run_id, self._fence)
                    self.hold = None if reason else self._held()
                    reason = self.hold.sentence if self.hold else reason
            except LeaseLost:
                self.lost = True
                reason = "the run was taken over or ended"
            except OperationalError:
                # The lease runs out by itself when the database stays away; work goes on until a write is refused.
                logger.warning("run %s could not prolong its lease", self._run_id, exc_info=True)
                reason = None
            finally:
                connection.close()
            if reason:
                self.reason = reason
                self.stop.set()
                return
