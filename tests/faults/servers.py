"""A PostgreSQL, a Redis and all that works at runs, of a test's own, to be killed and started anew."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from guildhall.embedded import celery_service
from guildhall.embedded.postgres import EmbeddedPostgres
from guildhall.embedded.roles import PRIVILEGED
from guildhall.embedded.stack import ALONE, agents_worker
from tests.support.processes import ROOT, until
from tests.support.services import Services

LEASE_SECONDS = "4"
THREADS = 12
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


class Nursery:
    """The processes that `tests.faults.nursery` becomes, with the environment that it was started in."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.nursery"],
                cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
        assert self._answer() == "ready", log.read_text()

    def begin(self, module: str, *arguments: str, log: Path, **environment: str) -> int:
        """Run `python -m module arguments` in a process of its own; its id."""
        request = {"module": module, "arguments": arguments, "log": str(log), "environment": environment}
        return int(self._ask(request))

    def celery(self, name: str, *command: str, folder: Path) -> int:
        """Celery as the supervisor starts it; `folder` gets its log and, once it is at work, the file `<name>.ready`."""
        arguments = ("-A", "guildhall.celery", *command, "--loglevel", "INFO")
        ready = {celery_service.READY_FILE: str(folder / f"{name}.ready")}
        return self.begin(celery_service.__name__, *arguments, log=folder / f"{name}.log", **ready)

    def ended(self, pid: int) -> int:
        """Wait until one has ended; with what status."""
        return int(self._ask({"wait": pid}))

    def is_over(self, pid: int) -> bool:
        """Whether one has ended; said once."""
        return bool(self._ask({"look": pid}))

    def close(self) -> None:
        """End it, and with it all that it became."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line: str = self._process.stdout.readline()
        return line.strip()


class Hall:
    """An organisation's processes on servers of their own: workers at runs, a worker for the rest, and the scheduler."""

    def __init__(self, servers: Durable, folder: Path) -> None:
        self.servers, self.folder = servers, folder
        self.schema = ""
        self._services: dict[str, tuple[int, tuple[str, ...]]] = {}
        known = {variable: value for variable, value in os.environ.items() if variable not in PRIVILEGED}
        environment = {**known, **servers.environment(), "GUILDHALL_LEASE_SECONDS": LEASE_SECONDS}
        Path(environment["GUILDHALL_VAR"]).mkdir(exist_ok=True)
        self._nursery = Nursery(environment, folder / "nursery.log")

    def close(self) -> None:
        self._nursery.close()

    def scene(self, *arguments: str) -> str:
        """The last line that `tests.faults.scene` prints."""
        told = self.folder / f"{'-'.join(arguments[:2])}.log".replace("/", "_")
        assert self._nursery.ended(self._nursery.begin("tests.faults.scene", *arguments, log=told)) == 0, (
            told.read_text()
        )
        return told.read_text().splitlines()[-1]

    def start(self) -> None:
        """Two of those that `make up` starts for runs, with room for `THREADS` at once; the scheduler, and who serves it."""
        for name in ("one", "two"):
            self._begin(name, *agents_worker(name, THREADS))
        self._begin("jobs", "worker", *ALONE, "-n", "jobs@%h", "-P", "threads", "-c", "2", "-Q", "default,events")
        self._begin("beat", "beat")

    def kill_worker(self, name: str) -> None:
        """Kill it -9, and start another in its place."""
        pid, command = self._services[name]
        os.kill(pid, signal.SIGKILL)
        assert self._nursery.ended(pid) == -signal.SIGKILL, "it was alive until then"
        self._begin(name, *command)

    def look_after(self) -> None:
        """As the supervisor does: what has ended is started again. Celery gives up on some ways to lose its broker."""
        for name, (pid, command) in list(self._services.items()):
            if self._nursery.is_over(pid):
                self._begin(name, *command)

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
            self.look_after()
            return (self.ask(STEPS) or 0) >= count or self.ask(OPEN) == 0

        until(there, seconds=120, what=f"{count} steps")
        return self.ask(OPEN) != 0

    def until_all_ended(self) -> None:
        def over() -> bool:
            self.look_after()
            return self.ask(OPEN) == 0

        until(over, seconds=180, what="the end of all runs")

    def _begin(self, name: str, *command: str) -> None:
        self._services[name] = self._nursery.celery(name, *command, folder=self.folder), command


@contextmanager
def hall(folder: Path) -> Iterator[Hall]:
    """Servers, two workers at runs, called one and two, and the rest; without any organisation."""
    servers = Durable()
    try:
        servers.start()
        made = Hall(servers, folder)
        try:
            made.start()
            yield made
        finally:
            made.close()
    finally:
        servers.stop()


def moments(seed: int, count: int, least: int, most: int) -> list[int]:
    """Numbers of steps, rising by `least` to `most`: always the same ones for a seed."""
    chance, at, found = random.Random(seed), 0, []  # noqa: S311  no secret
    for _ in range(count):
        at += chance.randint(least, most)
        found.append(at)
    return found
