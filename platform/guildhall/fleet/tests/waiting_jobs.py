"""A job that says which worker is at it and ends when it is told to. Loaded by the workers of these tests."""

import time
from pathlib import Path

from celery import current_task

from guildhall.kernel import progress
from guildhall.kernel.jobs import job


@job("delivery")
def wait_there(*, folder: str, mark: str) -> None:
    """Write `<mark>.at`, wait for `<mark>.go`, write `<mark>.done`."""
    progress.say("waiting")
    place = Path(folder)
    (place / f"{mark}.at").write_text(str(current_task.request.hostname))
    while not (place / f"{mark}.go").exists():
        time.sleep(0.02)
    (place / f"{mark}.done").touch()
