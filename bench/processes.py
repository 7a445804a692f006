"""Processes that a benchmark starts and ends."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.stack import ROOT


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """`command` from the repository's root, its output kept from the figures; ended with SIGTERM."""
    with tempfile.TemporaryDirectory(prefix="guildhall-bench-log-") as folder, (Path(folder) / "log").open("wb") as log:
        started = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield started
        finally:
            started.send_signal(signal.SIGTERM)
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()
