"""Which lines of the code the tests run, counted where GUILDHALL_COUNTED names the report to write (an XML file).

A module gets its probes when it is loaded, so this plugin comes before all others (pyproject.toml). A tracer would double the
time of all Python, of Django's as well. Each of xdist's workers counts its own, and the one that hands out the tests adds up:
it runs nothing of the code itself, and everybody waits while it loads and when it ends.
"""

import json
import os
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.sharing import only_hands_out

ROOT = Path(__file__).parents[2]
REPORT = os.environ.get("GUILDHALL_COUNTED")
ROOMS = ("platform", "tenants", "governance", "workflows", "gpu_workers")
OMITTED = ("tests", "demo/repositories", "suite/repositories")
"""Folders in the rooms with no code of ours to run: tests are not what is tested, and agents work on the repositories."""
NEVER = -1
"""No probe is taken out of a function that runs."""

_added = pytest.StashKey[dict[str, Any]]()


class Counter:
    """Counts what is run of the Python below `folders` that is loaded from now on, until `stop`."""

    def __init__(self, folders: Sequence[Path]) -> None:
        from slipcover import FileMatcher, ImportManager, Slipcover  # loaded where lines are counted, and nowhere else

        sources = [str(folder) for folder in folders]
        omitted = [f"{folder}/*{name}/*" for folder in sources for name in OMITTED]
        self._slipcover = Slipcover(d_miss_threshold=NEVER, source=sources, omit=omitted)
        self._imports = ImportManager(self._slipcover, FileMatcher(sources=sources, omit=omitted))
        self._imports.__enter__()

    def leave(self) -> None:
        """What is loaded from now on is not counted."""
        self._imports.__exit__()

    def stop(self) -> dict[str, Any]:
        """What was run so far, and of files that nobody loaded that nothing was."""
        self.leave()
        counted: dict[str, Any] = self._slipcover.get_coverage()
        return counted


def add(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> dict[str, Any]:
    """Both counts in one; `one` is what was added up before, if anything."""
    from slipcover import merge_coverage

    merged: dict[str, Any] = merge_coverage(dict(one), dict(other)) if one else dict(other)
    return merged


def write(counted: Mapping[str, Any], report: Path) -> None:
    """Write the count as XML in Cobertura's form."""
    from slipcover import print_xml

    with report.open("w") as file:
        print_xml(counted, source_paths=[str(ROOT)], outfile=file)


_counter = Counter([ROOT / room for room in ROOMS]) if REPORT else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Before Django and its apps are loaded."""
    if _counter is not None and only_hands_out(early_config.known_args_namespace):
        _counter.leave()
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """The workers are there by now; programs that the tests start count nothing."""
    os.environ.pop("GUILDHALL_COUNTED", None)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker counted."""
    if counted := getattr(node, "workeroutput", {}).get("counted"):
        node.config.stash[_added] = add(node.config.stash.get(_added, None), json.loads(counted))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _counter is None or REPORT is None:
        return
    hands_out = only_hands_out(session.config.option)
    counted = session.config.stash.get(_added, None) if hands_out else _counter.stop()
    handed_on: dict[str, str] | None = getattr(session.config, "workeroutput", None)
    if handed_on is not None:
        handed_on["counted"] = json.dumps(counted)
    elif counted is not None:
        write(counted, ROOT / REPORT)
