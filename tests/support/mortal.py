"""A worker that is killed -9 at a boundary of a step: a forked process that executes a run and ends itself there."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import openai  # noqa: F401  else every forked worker loads it anew
from django.db import connection

from gpu_workers.runs.engine import execute
from guildhall.kernel.postgres.base import close_pools
from guildhall.kernel.tenancy import tenant_scope

DIED = -signal.SIGKILL


class Mortal:
    """Kills each worker at the first boundary at which none has died yet. `deaths` is a file: workers do not come back.

    `place_of` names the place of a step's key: where several keys have one place, only the first worker there dies; ""
    is a place where none does.
    """

    def __init__(self, deaths: Path, place_of: Callable[[str], str] = str) -> None:
        self._deaths = deaths
        self._place_of = place_of
        deaths.touch()

    def boundaries(self) -> list[str]:
        """Where workers have died, in order."""
        return self._deaths.read_text().splitlines()

    def work_on(self, schema: str, number: int) -> bool:
        """Execute a run in a process of its own; whether the process died."""
        status = in_child(lambda: self._execute(schema, number))
        if status not in (0, DIED):
            raise AssertionError(f"the worker ended with {status}")
        return status == DIED

    def _execute(self, schema: str, number: int) -> None:
        died = set(self.boundaries())

        def observe(boundary: str, key: str) -> None:
            place = f"{number} {boundary} {self._place_of(key)}"
            if self._place_of(key) and place not in died:
                with self._deaths.open("a") as file:
                    file.write(f"{place}\n")
                os.kill(os.getpid(), signal.SIGKILL)

        with tenant_scope(schema):
            execute(number, observe)


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked process with connections of its own: 0, or minus the signal that ended it."""
    connection.close()
    close_pools()
    pid = os.fork()
    if pid == 0:
        code = 1
        logging.getLogger("psycopg.pool").addHandler(logging.StreamHandler(sys.stderr))
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


@dataclass(frozen=True, slots=True)
class Child:
    """A forked process with connections of its own; what it writes is read from `stdout`."""

    pid: int
    stdout: TextIO
    gate: int

    def go(self) -> None:
        """Let it begin."""
        os.write(self.gate, b"g")
        os.close(self.gate)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def rest(self) -> str:
        """What it writes until it ends."""
        with self.stdout:
            text = self.stdout.read()
        os.waitpid(self.pid, 0)
        return text


def child_of(work: Callable[[TextIO], None]) -> Child:
    """Fork a process that does `work`, with where to write, once it is told to go. Costs no start of an interpreter.

    Fork all that race before the first goes: no thread of this process then holds anything that they would wait for.
    """
    connection.close()
    close_pools()
    (gate, opens), (reads, writes) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(opens)
            if os.read(gate, 1):  # else the test has ended before
                with os.fdopen(writes, "w", buffering=1) as out:
                    work(out)
                code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(gate)
    os.close(writes)
    return Child(pid, os.fdopen(reads), opens)
