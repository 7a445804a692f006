"""What watches over a command, the same for all walls: its output, and what it makes in its workspace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_workers.sandbox import KilledBy, Sandbox, SandboxCommand, SandboxLimits, SandboxResult
from gpu_workers.sandbox.workspace import remove_tree

pytestmark = pytest.mark.integration

MIB = 1024 * 1024
Run = Callable[..., SandboxResult]


@pytest.fixture
def run(sandbox: Sandbox, workspace: Path) -> Run:
    def go(argv: str | list[str], **limits: int) -> SandboxResult:
        return sandbox.run(SandboxCommand(argv, workspace, limits=SandboxLimits(**limits)))

    return go


def test_long_output_keeps_its_beginning_and_its_end(run: Run) -> None:
    result = run("echo first; seq 20000; printf '\\377last\\n'", output=16 * 1024)
    assert result.ok
    assert result.truncated
    assert result.output.startswith("first\n1\n2\n")
    assert result.output.endswith("20000\n\ufffdlast\n")


def test_a_flood_of_empty_files_ends_the_command(run: Run) -> None:
    result = run(["python3", "-c", "i = 0\nwhile True:\n    open(f'f{i}', 'w').close()\n    i += 1"], entries=2000)
    assert result.killed_by == KilledBy.DISK


def test_a_large_checkout_leaves_commands_their_room(run: Run, workspace: Path) -> None:
    for number in range(30):
        (workspace / f"brought{number}").write_bytes(b"x" * MIB)
    adding = "for i in $(seq {}); do head -c 1M /dev/zero > more$i; done; sleep {}"
    assert run(adding.format(5, 0), disk=20 * MIB, entries=20).ok
    assert run(adding.format(60, 60), disk=20 * MIB, entries=200).killed_by == KilledBy.DISK
    assert run("for i in $(seq 60); do : > few$i; done; sleep 60", entries=20).killed_by == KilledBy.DISK
    assert run("sleep 60", disk=20 * MIB, tree=20 * MIB).killed_by == KilledBy.DISK, "it does not grow by every command"


def test_a_tree_too_deep_to_be_looked_through_ends_the_command_and_can_be_removed(run: Run, workspace: Path) -> None:
    source = (
        "import os\nfor _ in range(2500):\n    os.mkdir('a')\n    os.chdir('a')\nopen('kept', 'wb').write(bytes(9000))"
    )
    assert run(["python3", "-c", source]).killed_by == KilledBy.DISK
    remove_tree(workspace)
    assert not workspace.exists()
