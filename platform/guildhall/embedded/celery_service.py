"""Celery under the supervisor: the `celery` command, and a file that appears once it is at work."""

import os
import sys
from pathlib import Path
from typing import Any

from celery.__main__ import main
from celery.signals import beat_init, worker_ready

READY_FILE = "GUILDHALL_READY_FILE"


def _announce(**_: Any) -> None:
    Path(os.environ[READY_FILE]).touch()


if __name__ == "__main__":
    worker_ready.connect(_announce, weak=False)
    beat_init.connect(_announce, weak=False)
    sys.exit(main())
