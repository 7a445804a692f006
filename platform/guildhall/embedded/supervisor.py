"""Keeps a table of services running: starts them in order, watches them, starts them again, stops them in reverse.

One thread starts and ends processes (the kernel ties a child's life to the thread that started it); checks that talk to
services run in a small pool, so a service that hangs cannot stop the others from being looked after.
"""

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from signal import SIGKILL
from typing import Any

from guildhall.embedded.forking import adopting, bury_strangers, fork
from guildhall.embedded.process import OURS, EmbeddedError, Process, signal_group, spawn, tail
from guildhall.embedded.reaper import Reaper
from guildhall.embedded.restart import History, after_exit
from guildhall.embedded.service import Service, in_order
from guildhall.fleet.asleep import ASLEEP

logger = logging.getLogger("guildhall.embedded")

TICK_SECONDS = 0.05
HEALTH_SECONDS = 5.0
UNHEALTHY_SECONDS = 60.0
WANTED_SECONDS = 1.0
CHECK_THREADS = 6
SETTLED = frozenset({"ready", "done", "asleep"})

Observer = Callable[["Supervisor"], None]


@dataclass(slots=True)
class Child:
    """Where one service stands."""

    service: Service
    phase: str = "waiting"  # waiting, starting, ready, asleep, done
    process: Process | None = None
    history: History = field(default_factory=History)
    restarts: int = 0
    started_at: float = 0.0
    start_after: float = 0.0
    last_good: float = 0.0
    next_check: float = 0.0
    check: "Future[bool] | None" = None


def _process(service: Service) -> Process:
    """The service, started: forked where that can be had, else as a program of its own."""
    if service.preloaded is not None:
        try:
            return fork(service, service.preloaded)
        except OSError as problem:
            logger.warning("%s is not forked: %s", service.name, problem)
    return spawn(
        service.command,
        log=service.log,
        env=service.env,
        cwd=service.cwd,
        user=service.user,
        death_signal=service.stop_signal,
    )


class Supervisor:
    """`observe` is called whenever a service's phase or process has changed."""

    def __init__(self, services: Sequence[Service], observe: Observer = lambda _: None) -> None:
        self._levels = in_order(services)
        self.children = {service.name: Child(service) for level in self._levels for service in level}
        self._observe = observe
        self._checks = ThreadPoolExecutor(CHECK_THREADS, thread_name_prefix="check")
        self._reaper = Reaper()
        OURS.add(self._reaper.pid)
        self._changed = False

    @property
    def is_ready(self) -> bool:
        """Whether every service is ready, or asleep by its own will, and every step done."""
        return all(child.phase in SETTLED for child in self.children.values())

    def status(self) -> dict[str, dict[str, Any]]:
        """Name -> `phase`, `pid` (None when not running) and `restarts`."""
        return {
            name: {"phase": c.phase, "pid": c.process.pid if c.process else None, "restarts": c.restarts}
            for name, c in self.children.items()
        }

    def run(self, stop: threading.Event, on_ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop`, then end everything. Raises `EmbeddedError` when a service cannot be brought up."""
        with adopting():
            self._run(stop, on_ready)

    def _run(self, stop: threading.Event, on_ready: Callable[[], None]) -> None:
        announced = False
        try:
            while not stop.is_set():
                for child in self.children.values():
                    self._step(child)
                bury_strangers()
                if self._changed:
                    self._changed = False
                    self._observe(self)
                if self.is_ready and not announced:
                    announced = True
                    on_ready()
                stop.wait(TICK_SECONDS)
        finally:
            self._stop()

    def _step(self, child: Child) -> None:
        now = time.monotonic()
        if child.phase == "waiting":
            met = all(self.children[name].phase in SETTLED for name in child.service.depends)
            if now >= child.start_after and (met or child.restarts):
                self._start(child)
        elif child.phase == "asleep":
            self._watch(child, now)
        elif child.phase != "done" and child.process is not None:
            status = child.process.poll()
            if status is None:
                self._look_after(child, now)
            elif child.service.once and status == 0:
                logger.info("%-10s done after %.1f s", child.service.name, now - child.started_at)
                self._cleared(child)
                self._enter(child, "done")
            elif child.service.wanted is not None and status == ASLEEP:
                logger.info("%-10s asleep until it is wanted", child.service.name)
                self._cleared(child)
                child.check, child.next_check = None, 0.0
                self._enter(child, "asleep")
            else:
                self._ended(child, status)

    def _start(self, child: Child) -> None:
        service = child.service
        service.prepare()
        child.process = _process(service)
        self._reaper.watch(child.process.pid)
        child.started_at = child.last_good = time.monotonic()
        child.check, child.next_check = None, 0.0
        self._enter(child, "starting")

    def _look_after(self, child: Child, now: float) -> None:
        service = child.service
        if child.check is not None and child.check.done():
            good, child.check = self._result(child.check), None
            child.next_check = now + (HEALTH_SECONDS if child.phase == "ready" else TICK_SECONDS)
            if good:
                child.last_good = now
                if child.phase == "starting":
                    child.history = History(child.history.failures, was_ready=True)
                    logger.info("%-10s ready after %.1f s", service.name, now - child.started_at)
                    self._enter(child, "ready")
        if child.check is None and now >= child.next_check and not service.once:
            child.check = self._checks.submit(service.ready)
        patience = UNHEALTHY_SECONDS if child.phase == "ready" else service.start_seconds
        if now - child.last_good > patience and child.process is not None:
            logger.warning("%s gave no sign of life for %.0f s and is ended", service.name, patience)
            signal_group(child.process, SIGKILL)

    def _watch(self, child: Child, now: float) -> None:
        if child.check is not None and child.check.done():
            wanted, child.check = self._result(child.check), None
            child.next_check = now + WANTED_SECONDS
            if wanted:
                logger.info("%-10s is wanted", child.service.name)
                self._start(child)
        elif child.check is None and now >= child.next_check and child.service.wanted is not None:
            child.check = self._checks.submit(child.service.wanted)

    def _result(self, check: "Future[bool]") -> bool:
        try:
            return check.result()
        except Exception:
            logger.exception("a health check failed")
            return False

    def _ended(self, child: Child, status: int) -> None:
        service, now = child.service, time.monotonic()
        self._cleared(child)
        verdict = after_exit(child.history, ran_for=now - child.started_at, once=service.once)
        child.history = verdict.history
        if verdict.delay is None:
            raise EmbeddedError(f"{service.name} ended with status {status}.\n{tail(service.log)}")
        logger.warning("%s ended with status %s; starting again in %.1f s", service.name, status, verdict.delay)
        child.restarts += 1
        child.start_after = now + verdict.delay
        self._enter(child, "waiting")

    def _cleared(self, child: Child) -> None:
        """End what a finished process has left of its group, and forget it."""
        if child.process is not None:
            signal_group(child.process, SIGKILL)
            self._reaper.forget(child.process.pid)
            child.process = None

    def _enter(self, child: Child, phase: str) -> None:
        child.phase = phase
        self._changed = True

    def _stop(self) -> None:
        for level in reversed(self._levels):
            running = [c for c in map(self._child, level) if c.process is not None]
            for child in running:
                if child.process is not None and child.process.poll() is None:
                    child.process.send_signal(child.service.stop_signal)
            for child in running:
                self._await_end(child)
        self._checks.shutdown(wait=False, cancel_futures=True)
        self._reaper.close()
        self._observe(self)

    def _child(self, service: Service) -> Child:
        return self.children[service.name]

    def _await_end(self, child: Child) -> None:
        if child.process is not None:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(child.service.stop_seconds)
            signal_group(child.process, SIGKILL)
            child.process.wait()
            self._cleared(child)
            self._enter(child, "waiting")
