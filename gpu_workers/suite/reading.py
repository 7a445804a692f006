"""A suite from its folder: repair tasks, incidents, or both, read whole or not at all."""

from pathlib import Path

from gpu_workers.suite.form import BadSuite, SuiteTask, read_task
from gpu_workers.suite.incident_form import ABOUT, SuiteIncident, read_incident

Work = SuiteTask | SuiteIncident


def read_suite(folder: Path) -> list[Work]:
    """What a suite holds, by name. Raises `BadSuite` with everything that is wrong anywhere."""
    found: list[Work] = []
    problems: list[str] = []
    try:
        places = sorted(
            place for place in folder.iterdir() if place.is_dir() and not place.name.startswith((".", "__"))
        )
    except OSError as odd:
        raise BadSuite([f"{folder}: there is no such folder, or it cannot be read: {odd.strerror}."]) from odd
    for place in places:
        try:
            found.append(read_incident(place) if (place / ABOUT).exists() else read_task(place))
        except BadSuite as bad:
            problems += bad.problems
    if not places:
        problems.append(f"{folder}: it holds nothing; a task is a folder with a task.toml and a repository.")
    if problems:
        raise BadSuite(problems)
    return found
