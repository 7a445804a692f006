"""A PostgreSQL, a Redis and all that works at runs, of a test's own, to be killed and started anew."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from guildhall.embedded import celery_service
from guildhall.embedded.postgres import EmbeddedPostgres
from guildhall.embedded.stack import ALONE
from tests.support.processes import ROOT, running, stack_worker, until
from tests.support.services import Services

LEASE_SECONDS = "4"
OPEN = "SELECT count(*) FROM {schema}.gpu_workers_run WHERE state IN ('queued', 'running', 'waiting')"
STEPS = "SELECT count(*) FROM {schema}.gpu_workers_runstep WHERE finished_at IS NOT NULL"


class Durable(Services):
    """Servers that a test may kill: what PostgreSQL has committed is on its disk."""

    def _cluster(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.folder, secrets=self.folder / "passwords.json")

    def lose_redis(self) -> None:
        """Kill it -9, lose all that it had, and start it anew at the same port."""
        self._kill(self.redis.pid, signal.SIGKILL)
        self.redis.stop()
        shutil.rmtree(self.redis.data)
        self.redis.start()

    def stop_postgres_at_once(self) -> None:
        """Immediate shutdown: every session is cut off, and the next start recovers from the log."""
        self._kill(self.postgres.pid, signal.SIGQUIT)
        self.postgres.stop()

    def _kill(self, pid: int | None, how: signal.Signals) -> None:
        assert pid is not None
        os.kill(pid, how)


class Hall:
    """The organisation's processes on servers of their own: workers at runs, a worker for the rest, and the scheduler."""

    def __init__(self, servers: Durable, folder: Path, stack: ExitStack) -> None:
        self.servers, self.folder, self._stack = servers, folder, stack
        self.schema = ""
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {**servers.environment(), "GUILDHALL_LEASE_SECONDS": LEASE_SECONDS}

    def scene(self, *arguments: str) -> str:
        """The last line that `tests.faults.scene` prints."""
        command = [sys.executable, "-m", "tests.faults.scene", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **self.environment}, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.splitlines()[-1]

    def start_worker(self, name: str) -> None:
        """Start one of those that `make up` starts for runs."""
        self.workers[name] = self._stack.enter_context(stack_worker(name, self.folder, **self.environment))

    def start_the_rest(self) -> None:
        """The scheduler, and a worker for what it sends."""
        self._celery("jobs", "worker", *ALONE, "-n", "jobs@%h", "-P", "threads", "-c", "2", "-Q", "default,events")
        self._celery("beat", "beat")

    def kill_worker(self, name: str) -> None:
        """Kill it -9, and start another in its place."""
        victim = self.workers[name]
        victim.kill()
        victim.wait(10)
        self.start_worker(name)

    def ask(self, question: str) -> int | None:
        """A number of the organisation's tables; None while PostgreSQL is away."""
        try:
            with psycopg.connect(self.servers.postgres.url("postgres"), connect_timeout=3) as db:
                row: Any = db.execute(question.format(schema=self.schema).encode()).fetchone()
                return int(row[0])
        except psycopg.OperationalError:
            return None

    def until_steps(self, count: int) -> bool:
        """Wait until so many steps are done; whether they are, and not all runs have ended before."""

        def there() -> bool:
            return (self.ask(STEPS) or 0) >= count or self.ask(OPEN) == 0

        until(there, seconds=120, what=f"{count} steps")
        return self.ask(OPEN) != 0

    def until_all_ended(self) -> None:
        until(lambda: self.ask(OPEN) == 0, seconds=180, what="the end of all runs")

    def _celery(self, name: str, *command: str) -> None:
        arguments = ("-m", celery_service.__name__, "-A", "guildhall.celery", *command, "--loglevel", "INFO")
        env = {**os.environ, **self.environment, celery_service.READY_FILE: str(self.folder / f"{name}.ready")}
        self._stack.enter_context(running(*arguments, log=self.folder / f"{name}.log", env=env))


@contextmanager
def hall(folder: Path, model: str, runs: int, workers: Sequence[str]) -> Iterator[Hall]:
    """Everything started, `runs` runs queued whose model is at `model`."""
    servers = Durable()
    try:
        servers.start()
        with ExitStack() as stack:
            made = Hall(servers, folder, stack)
            Path(made.environment["GUILDHALL_VAR"]).mkdir(exist_ok=True)
            made.schema = made.scene("make", model, str(runs))
            for name in workers:
                made.start_worker(name)
            made.start_the_rest()
            yield made
    finally:
        servers.stop()


def moments(seed: int, count: int, least: int, most: int) -> list[int]:
    """Numbers of steps, rising by `least` to `most`: always the same ones for a seed."""
    chance, at, found = random.Random(seed), 0, []  # noqa: S311  no secret
    for _ in range(count):
        at += chance.randint(least, most)
        found.append(at)
    return found
