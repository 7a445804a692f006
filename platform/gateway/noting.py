"""How far an answer has come, written down while it streams: what it cost is known when its process dies."""

import logging
import time

from django.db import OperationalError

from gateway.chat import Answer, Request
from governance.actions.money import note_progress
from governance.pricing import UnitPrices, Usage
from governance.views import ReservationRef
from guildhall.kernel.tenancy import release_connection

logger = logging.getLogger(__name__)
EVERY_SECONDS = 1.0


class Noting:
    """Notes the first piece of an answer, and then how far it is, once a second."""

    def __init__(self, reservation: ReservationRef, request: Request, prices: UnitPrices) -> None:
        self._reservation, self._request, self._prices = reservation, request, prices
        self._due = 0.0

    def __call__(self, answer: Answer) -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_SECONDS
        read, written, cached = answer.usage or answer.estimated(self._request)
        usage = Usage(read, written, min(cached, read), estimated=True)
        try:
            note_progress(reservation=self._reservation, usage=usage, prices=self._prices)
        except OperationalError:
            # The answer is worth more than the note: without it a dead process's call is charged by less.
            logger.warning("the progress of %s is not noted", self._reservation.key, exc_info=True)
        release_connection()
