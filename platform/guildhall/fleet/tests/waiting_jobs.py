"""Jobs that say when they were done, and by whom. Loaded by the workers of tests."""

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


@job("agents")
def note_it(*, file: str, mark: str) -> None:
    """Add a line with `mark` to `file`."""
    with Path(file).open("a") as notes:
        notes.write(f"{mark}\n")
