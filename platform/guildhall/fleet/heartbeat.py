"""The part of every worker that says what it is at and obeys the owner's orders: a step of Celery's own consumer.

A thread asks PostgreSQL for the orders and tells Redis how things are, so that neither being away holds up any work; where
the orders cannot be read the last ones stand. Celery's own loop changes what is taken from which queue. A parent of forked
processes must not open Django's pool, which its children would share: the thread has one connection of its own.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import psycopg
from celery import bootsteps
from celery.signals import worker_shutdown
from celery.worker import state
from django.conf import settings

from guildhall.fleet.asleep import ASLEEP, Rest
from guildhall.fleet.presence import BEAT_SECONDS, BrokerAway, Doing, Presence, leave, say
from guildhall.kernel import progress
from guildhall.kernel.actor import PLATFORM

logger = logging.getLogger(__name__)
APPLY_SECONDS = 1.0
MAX_DOING = 200
ORDERS = "SELECT part, name FROM public.fleet_stop WHERE ended_at IS NULL"


class Heartbeat(threading.Thread):
    """One worker's. `stopped` are the queues from which it is to take nothing now; `sleep_after` as `Rest` has it."""

    def __init__(self, consumer: Any, sleep_after: float) -> None:
        super().__init__(name="fleet-heartbeat", daemon=True)
        self.consumer = consumer
        self.worker: str = consumer.hostname
        self.queues = tuple(consumer.app.amqp.queues.consume_from)
        self.stopped: frozenset[str] = frozenset()
        self.rest = Rest(sleep_after)
        self._ended = threading.Event()
        self._connection: psycopg.Connection[tuple[str, str]] | None = None

    def begin(self) -> None:
        """Take from the consumer, which has no connection yet, the queues from which it is to take nothing."""
        self.look()
        self._hang_up()  # processes may be forked before the next look
        for queue in self.stopped:
            self.consumer.app.amqp.queues.deselect(queue)

    def run(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            self.look()
            self.tell()

    def look(self) -> None:
        """Read the orders."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(settings.DATABASE_URL, autocommit=True, connect_timeout=3)
                self._connection.execute(f"SET ROLE {PLATFORM}".encode())
            orders = set(self._connection.execute(ORDERS.encode()).fetchall())
        except psycopg.Error as problem:
            logger.warning("orders cannot be read: %s", problem)
            self._hang_up()
            return
        whole = ("worker", self.worker) in orders
        self.stopped = frozenset(queue for queue in self.queues if whole or ("queue", queue) in orders)

    def tell(self) -> None:
        """Say what this worker is at."""
        try:
            say(self._presence())
        except BrokerAway:
            logger.info("the broker is away; nobody hears how this worker is")

    def obey(self) -> None:
        """Take from those queues that it is to take from, and sleep when it is time. Called by Celery's loop alone.

        A worker that has been told to take nothing stays as people left it.
        """
        if self.rest.over(time.monotonic(), busy=bool(self.stopped) or _has_anything()):
            state.should_stop = ASLEEP  # type: ignore[assignment]
        stopped = self.queues if self.rest.going else self.stopped
        taking = self._taking()
        for queue in self.queues:
            if queue in stopped and queue in taking:
                self.consumer.cancel_task_queue(queue)
            elif queue not in stopped and queue not in taking:
                self.consumer.add_task_queue(queue)

    def end(self) -> None:
        """The worker ends as it was told to."""
        self._ended.set()
        self.join(timeout=2 * BEAT_SECONDS)
        self._hang_up()
        try:
            if state.should_stop == ASLEEP:
                say(replace(self._presence(), asleep=True))
            else:
                leave(self.worker)
        except BrokerAway:
            logger.info("the broker is away; this worker will be called lost")

    def _presence(self) -> Presence:
        controller = self.consumer.controller
        return Presence(
            name=self.worker,
            host=socket.gethostname(),
            pid=os.getpid(),
            pool=controller.pool_cls.__module__.rpartition(".")[2],
            slots=controller.pool.num_processes,
            queues=self.queues,
            taking=tuple(sorted(self._taking())),
            doing=tuple(_doing(request) for request in _active()[:MAX_DOING]),
        )

    def _taking(self) -> Collection[str]:
        consumer = self.consumer.task_consumer
        return {queue for queue in self.queues if consumer.consuming_from(queue)} if consumer else set()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _has_anything() -> bool:
    """Whether any message was given to this worker that it is not done with, now or for later."""
    later = state.scheduled_requests  # type: ignore[attr-defined]
    return bool(state.reserved_requests or state.active_requests or later)


def _active() -> list[Any]:
    """The messages that are being worked on; Celery's loop may change its set at any time."""
    for _ in range(5):
        try:
            return sorted(state.active_requests, key=lambda request: request.time_start or 0)
        except RuntimeError:
            continue
    return []


def _doing(request: Any) -> Doing:
    """What a message asks for, as it says: nobody has checked its signature here, so all of it is text to show."""
    envelope = request.kwargs.get("envelope")
    told: dict[str, Any] = envelope if isinstance(envelope, dict) else {}
    arguments = told.get("kwargs")
    number = arguments.get("number") if isinstance(arguments, dict) else None
    return Doing(
        job=str(request.name)[:120],
        since=float(request.time_start or 0),
        tenant=str(told.get("tenant", ""))[:80],
        run=number if request.name == "gpu_workers.tasks.execute_run" and isinstance(number, int) else None,
        phase=progress.said(request.id),
    )


class FleetStep(bootsteps.StartStopStep):
    """Reads the orders before the consumer knows what to take, so that a worker that is to take nothing never does."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    heartbeat: Heartbeat | None = None

    def __init__(self, consumer: Any, sleep_after: float = 0.0, **options: Any) -> None:
        self._timer: Any = None
        FleetStep.heartbeat = self._heartbeat = Heartbeat(consumer, sleep_after)
        self._heartbeat.begin()
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        """After each connect, too."""
        if not self._heartbeat.is_alive():
            self._heartbeat.start()
        self._timer = consumer.timer.call_repeatedly(APPLY_SECONDS, self._heartbeat.obey)

    def stop(self, consumer: Any) -> None:
        if self._timer is not None:
            consumer.timer.cancel(self._timer)
            self._timer = None


@worker_shutdown.connect(weak=False)
def _leave(**_: Any) -> None:
    if FleetStep.heartbeat is not None:
        FleetStep.heartbeat.end()
