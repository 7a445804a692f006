"""A repository whose large files lie elsewhere: their pointers are files like others, and no filter of theirs is run."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpu_workers.repos import Signature, create_repository, head_of, push_branch, read_file
from gpu_workers.repos import clone_workspace as clone
from gpu_workers.repos import commit_all as commit

pytestmark = pytest.mark.integration
MASON = Signature("Mason", "mason@example.org")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"
FILES = {
    ".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n",
    ".lfsconfig": b"[lfs]\n url = http://127.0.0.1:9/lfs\n",
    "model.bin": POINTER % (b"4d" * 32, 9_000_000_000),
}


def test_pointers_to_large_files_stay_what_they_are(ground: Path) -> None:
    repo = ground / "large.git"
    base = create_repository(repo, FILES, MASON, NOON)
    workspace = clone(repo, ground / "ws", "guildhall/L-1", base)
    marks = [ground / "cleaned", ground / "smudged"]
    for name, mark in zip(("clean", "smudge"), marks, strict=True):
        command = [
            "git",
            "config",
            "--file",
            str(workspace.tree / ".git" / "config"),
            f"filter.lfs.{name}",
            f"touch {mark}",
        ]
        (workspace.tree / ".git").mkdir(exist_ok=True)
        subprocess.run(command, check=True)
    assert (workspace.tree / "model.bin").read_bytes() == FILES["model.bin"]
    (workspace.tree / "model.bin").write_bytes(POINTER % (b"5e" * 32, 7))
    sha = commit(workspace, "guildhall/L-1", base, "Another model", MASON, NOON)
    assert sha is not None
    push_branch(repo, workspace, "guildhall/L-1", sha, None)
    assert read_file(repo, head_of(repo, "guildhall/L-1"), "model.bin") == POINTER % (b"5e" * 32, 7)
    again = clone(repo, ground / "again", "guildhall/L-2", sha)
    assert (again.tree / "model.bin").read_bytes() == POINTER % (b"5e" * 32, 7)
    assert [mark for mark in marks if mark.exists()] == []
