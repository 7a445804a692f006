"""A secret that is added is found wherever it stands: behind what a diff shows, among bytes, across what is read at once."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpu_workers.repos import Signature, clone_workspace, commit_all, create_repository, diff, head_of
from gpu_workers.repos.leaks import WINDOW, leaking

pytestmark = pytest.mark.integration
MASON, NOON = Signature("Mason", "mason@agents.example"), datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = b"AKIA" + b"QYLPMN5HHHFPZAM2"
LONG = b"a line of data\n" * 20_000
HELD = LONG + KEY + b"\n" + LONG
Commit = Callable[[Mapping[str, bytes]], tuple[Path, str, str]]


@pytest.fixture
def commit(ground: Path) -> Commit:
    """Files as one commit on a repository that holds a secret already; the repository, the commit before and that one."""
    repo = ground / "shop.git"
    create_repository(repo, {"held.txt": HELD, "gone.txt": HELD}, MASON, NOON)
    base = head_of(repo, "main")

    def made(files: Mapping[str, bytes]) -> tuple[Path, str, str]:
        workspace = clone_workspace(repo, ground / "ws", "guildhall/SHOP-1.1-7", base)
        for name, content in files.items():
            (workspace.tree / name).write_bytes(content)
        sha = commit_all(workspace, "guildhall/SHOP-1.1-7", base, "Add", MASON, NOON)
        assert sha is not None
        return workspace.git_dir, base, sha

    return made


def test_a_secret_is_found_behind_what_is_shown_and_among_bytes(commit: Commit) -> None:
    edge = b"x" * (WINDOW - 10) + b"\n" + KEY + b"\n" + LONG
    files = {
        "late.txt": LONG + b"token " + KEY + b"\n",
        "bytes.bin": b"\0\xff" * 100 + b" " + KEY + b" \0" * 50,
        "edge.txt": edge,
        "one-line.json": b'{"x": "' + b"y " * 300_000 + KEY + b'"}',
        "held.txt": HELD + LONG + KEY + b"\n",
    }
    assert sorted(leaking(*commit(files))) == sorted(files)


def test_a_secret_that_was_there_before_is_nobodys_leak(commit: Commit) -> None:
    """Neither where it stays nor where it goes, in what is cut: of a changed file what was added is read, and no more."""
    files = {
        "held.txt": b"first\n" + HELD + LONG,
        "gone.txt": LONG * 3,
        "large.txt": LONG,
        "plain.bin": b"\0" * 300_000,
    }
    made = commit(files)
    assert [file.path for file in diff(*made) if file.truncated] == ["gone.txt", "held.txt", "large.txt"]
    assert leaking(*made) == []
