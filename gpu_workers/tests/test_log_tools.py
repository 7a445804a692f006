"""What an Ops agent reads of metrics and health checks: each column's course first, numbered lines, and which files there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gpu_workers.incidents.evidence import Evidence, EvidenceFile, split_lines, summary
from gpu_workers.repos import Workspace
from gpu_workers.tools import TaskBrief, ToolContext, execute
from tests.support.incidents import seeded_incidents

pytestmark = pytest.mark.unit
FULL = "root_used_pct: first 41, lowest 41, highest 41, last 41\npgdata_used_pct: first 88, lowest 88, highest 100, last 100"


@pytest.fixture(scope="module")
def disk() -> Evidence:
    """The evidence of a seeded incident, as a run has it."""
    seeded = next(one for one in seeded_incidents() if one.name == "disk-full")
    kinds = {file.name: file.kind for file in seeded.asked.files}
    files = {name: EvidenceFile(name, kinds[name], split_lines(text.decode())) for name, text in seeded.files.items()}
    return Evidence(files, tuple(seeded.asked.parts))


def at_the_desk(tmp_path: Path, evidence: Evidence) -> ToolContext:
    box = SimpleNamespace(owner=None)
    return ToolContext(Workspace(tmp_path), box, "devops", TaskBrief("Triage"), "", evidence=evidence)  # type: ignore[arg-type]


def test_metrics_are_told_by_their_columns_and_by_numbered_lines(tmp_path: Path, disk: Evidence) -> None:
    ctx = at_the_desk(tmp_path, disk)

    def said(**arguments: Any) -> str:
        result = execute("read_metrics", arguments, ctx)
        assert result.ok, result.text
        return result.text

    whole = said()
    assert whole.startswith(f"minute: first 0, lowest 0, highest 15, last 15\n{FULL}\ndisk.csv:1| minute,root_used_pct")
    assert whole.endswith("disk.csv:17| 15,41,100")
    assert said(file="disk.csv", start=16).partition(FULL)[2] == "\ndisk.csv:16| 14,41,100\ndisk.csv:17| 15,41,100"
    assert said(contains=",99").partition(FULL)[2] == "\ndisk.csv:13| 11,41,99"
    wrong = execute("read_metrics", {"file": "health.txt"}, ctx)
    assert (wrong.ok, wrong.text) == (False, "There is no such file here; there are: disk.csv.")

    notes = EvidenceFile("notes.csv", "metrics", ("nothing here is measured", "5"))
    two = replace(disk, files={**disk.files, notes.name: notes})
    listed = execute("read_metrics", {}, at_the_desk(tmp_path, two)).text
    assert listed.startswith("Name one of these to see its lines:\ndisk.csv: 17 lines\nminute: first 0")
    assert listed.endswith("last 100\nnotes.csv: 2 lines")
    none = execute("read_metrics", {}, at_the_desk(tmp_path, Evidence({notes.name: replace(notes, kind="log")}, ())))
    assert (none.ok, none.text) == (False, "Nobody brought metrics.")


def test_what_health_checks_said_is_read_by_numbered_lines(tmp_path: Path, disk: Evidence) -> None:
    ctx = at_the_desk(tmp_path, disk)
    whole = "health.txt:1| api ok\nhealth.txt:2| postgres unhealthy: no answer on 5432\nhealth.txt:3| redis ok\n"
    assert execute("read_health", {}, ctx).text == f"{whole}health.txt:4| worker ok"
    assert execute("read_health", {"contains": "UNHEALTHY"}, ctx).text == whole.splitlines()[1]
    later = EvidenceFile("later.txt", "health", ("postgres ok",))
    both = at_the_desk(tmp_path, replace(disk, files={**disk.files, later.name: later}))
    assert execute("read_health", {"contains": "postgres"}, both).text.splitlines() == [
        whole.splitlines()[1],
        "later.txt:1| postgres ok",
    ]
    past = execute("read_health", {"start": 9}, ctx)
    assert (past.ok, past.text) == (True, "health.txt has 4 lines; none from line 9 on fits.")
    assert not execute("read_health", {"file": "disk.csv"}, ctx).ok


def test_columns_that_are_no_numbers_and_lines_that_are_no_rows_are_left_out() -> None:
    rows = ("when,load,host", "noon,0.5,a", "one,1.25,b", "broken", "two,-3,c,d", "three,,e", "four,2,f")
    assert summary(EvidenceFile("load.csv", "metrics", rows)) == "load: first 0.5, lowest 0.5, highest 2, last 2"
    assert [summary(EvidenceFile("x", "metrics", lines)) for lines in ((), ("one",), ("a,b", "1,2"))] == ["", "", ""]
