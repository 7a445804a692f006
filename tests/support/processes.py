"""Real processes of the application beside a test, and waiting for what they do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
STOP_SECONDS = 10.0
Running = AbstractContextManager[subprocess.Popen[bytes]]


@contextmanager
def running(*arguments: str, log: Path, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """`python *arguments` in the repository, writing to `log`, ended when the block is left."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=env or os.environ, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def worker(log: Path, *, queues: str, include: str = "", pool: str = "prefork") -> Running:
    """A Celery worker on `queues` (comma-separated) with one process; `include` names a module of test jobs."""
    options = ["--include", include] if include else []
    return running(
        "-m", "celery", "-A", "guildhall.celery", "worker", "-Q", queues, "-c", "1", "-P", pool,
        "--without-gossip", "--without-mingle", "--loglevel", "INFO", *options,
        log=log,
    )  # fmt: skip


def until(condition: Callable[[], T], *, seconds: float = 120.0, what: str = "it") -> T:
    """What `condition` returns as soon as that is true. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)
    return value
