"""What commands may take is what the owner of the installation says, and what docs/limits.md says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import override_settings

from gpu_workers.repos.bounds import MAX_ENTRIES
from gpu_workers.runs.context import MOST_SAID
from gpu_workers.runs.live_log import ROW, RUN_ROWS
from gpu_workers.sandbox.sandbox import OUTPUT_FACTOR
from gpu_workers.sandboxes import command_limits
from workflows.ci_limits import LIMITS

MIB = 1024 * 1024
TABLE = Path(__file__).parents[2] / "docs" / "limits.md"


def row(beginning: str) -> list[str]:
    """Amounts in the row of the table that begins so."""
    said = next(line for line in TABLE.read_text().splitlines() if line.startswith(f"| {beginning}"))
    return re.findall(r"\d[\d,]*(?: [GMK]iB| s\b)?", re.sub(r"\([^)]*\)", "", said.split(" | ")[1]))


def test_the_table_of_limits_says_what_holds() -> None:
    limits = command_limits()
    assert row("one command of an agent") == [f"{limits.wall_s:.0f} s", f"{limits.cpu_s} s"]
    least = {limit.name: limit.least for limit in LIMITS}
    assert row("what a project may say") == [
        f"{least['seconds']} s", f"{least['cpu_seconds']} s", f"{least['memory_mib']} MiB", f"{least['disk_mib']} MiB",
    ]  # fmt: skip
    assert row("its memory") == [f"{limits.memory // 1024**3} GiB"]
    assert row("what it adds") == [f"{limits.disk // MIB} MiB", f"{limits.entries:,}"]
    assert row("a workspace") == [f"{limits.tree // 1024**3} GiB", f"{limits.tree_entries:,}"]
    scratch = f"{limits.scratch // MIB} MiB"
    assert row("its processes") == [
        str(limits.processes), str(limits.open_files), f"{limits.file_size // MIB} MiB", scratch,
    ]  # fmt: skip
    assert row("its output") == [
        f"{limits.output // MIB} MiB", f"{OUTPUT_FACTOR * limits.output // MIB} MiB", f"{limits.live // 1024} KiB",
    ]  # fmt: skip
    assert row("a run's log") == [f"{amount:,}" for amount in (RUN_ROWS, ROW, MOST_SAID)]
    assert row("files and folders of one tree") == [f"{MAX_ENTRIES:,}"] == [f"{limits.tree_entries:,}"]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("COMMAND_SECONDS", "wall_s"),
        ("COMMAND_CPU_SECONDS", "cpu_s"),
        ("COMMAND_MEMORY", "memory"),
        ("COMMAND_DISK", "disk"),
    ],
)
def test_the_installation_says_what_commands_may_take(name: str, field: str) -> None:
    with override_settings(**{name: 777}):
        assert getattr(command_limits(), field) == 777
