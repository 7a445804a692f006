"""Attributes of a repository: pointers to large files are files like others, no filter is run, and diffs hide nothing."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpu_workers.repos import Signature, create_repository, diff, head_of, push_branch, read_file, workspace_diff
from gpu_workers.repos import clone_workspace as clone
from gpu_workers.repos import commit_all as commit
from gpu_workers.repos.git import git
from gpu_workers.repos.reading import checkout_tree
from gpu_workers.repos.repository import REGULAR, TreeFile, write_blob, write_tree
from gpu_workers.repos.workspaces import restore_tree, tree_of

pytestmark = pytest.mark.integration
MASON = Signature("Mason", "mason@example.org")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"
FILES = {
    ".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n",
    ".lfsconfig": b"[lfs]\n url = http://127.0.0.1:9/lfs\n",
    "model.bin": POINTER % (b"4d" * 32, 9_000_000_000),
}
INSTALLED = """\
[filter "lfs"]
    clean = git-lfs clean -- %f
    smudge = git-lfs smudge -- %f
    required = true
[diff "lfs"]
    textconv = git-lfs
"""
"""What `git lfs install` leaves in a user's configuration, and a diff driver."""


@pytest.fixture
def downloads(ground: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host has LFS installed for its user: a file that is there once its program was called."""
    called, programs, home = ground / "called", ground / "programs", ground / "home"
    programs.mkdir()
    home.mkdir()
    (programs / "git-lfs").write_text(f"#!/bin/sh\ntouch {called}\nexec cat\n")
    (programs / "git-lfs").chmod(0o755)
    (home / ".gitconfig").write_text(INSTALLED)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    return called


def install_beside(git_dir: Path) -> None:
    """What `git lfs install --local` leaves, and attributes that hold without a working tree."""
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info" / "attributes").write_bytes(FILES[".gitattributes"])
    with (git_dir / "config").open("a") as config:
        config.write(INSTALLED)


def test_what_is_installed_for_the_hosts_user_is_never_read(ground: Path, downloads: Path) -> None:
    repo = ground / "large.git"
    base = create_repository(repo, FILES, MASON, NOON)
    (repo / "info").mkdir(exist_ok=True)
    (repo / "info" / "attributes").write_bytes(FILES[".gitattributes"])
    shown = ["cat-file", "--filters", f"{base}:model.bin"]
    assert git(repo, *shown) == FILES["model.bin"]
    assert not downloads.exists()
    subprocess.run(["git", f"--git-dir={repo}", *shown], check=True, capture_output=True)
    assert downloads.exists(), "anybody else's git would have called the program"


def test_pointers_to_large_files_stay_what_they_are(ground: Path, downloads: Path) -> None:
    repo, other = ground / "large.git", POINTER % (b"5e" * 32, 7)
    base = create_repository(repo, FILES, MASON, NOON)
    install_beside(repo)
    workspace = clone(repo, ground / "ws", "guildhall/L-1", base)
    install_beside(workspace.git_dir)
    place = workspace.tree / "model.bin"
    assert place.read_bytes() == FILES["model.bin"]
    place.write_bytes(other)
    before = tree_of(workspace, base)
    assert [change.path for change in workspace_diff(workspace, base)] == ["model.bin"]
    place.unlink()
    restore_tree(workspace, before)
    sha = commit(workspace, "guildhall/L-1", base, "Another model", MASON, NOON)
    assert sha is not None
    push_branch(repo, workspace, "guildhall/L-1", sha, None)
    assert read_file(repo, head_of(repo, "guildhall/L-1"), "model.bin") == other
    assert "+size 7" in diff(repo, base, sha)[0].text, "who reviews it sees that it is a pointer"
    checkout_tree(repo, sha, ground / "ci")
    assert (ground / "ci" / "model.bin").read_bytes() == other
    assert not downloads.exists()
    seen = git(repo, "diff-tree", "-r", "-p", "--textconv", base, sha)
    assert downloads.exists(), f"a careless command would have called the program: {seen!r}"


def test_a_commit_does_not_say_of_its_own_files_that_they_are_no_text(ground: Path) -> None:
    repo, branch = ground / "shop.git", "guildhall/L-1"
    base = create_repository(repo, {"a.py": b"x = 1\n"}, MASON, NOON)
    workspace = clone(repo, ground / "ws", branch, base)
    (workspace.tree / ".gitattributes").write_text("* -diff\n")
    (workspace.tree / "a.py").write_text("x = 2\n")
    sha = commit(workspace, branch, base, "Hide it", MASON, NOON)
    assert sha is not None
    push_branch(repo, workspace, branch, sha, None)
    judged = clone(repo, ground / "judge", branch, sha)
    for told in (diff(repo, base, sha), workspace_diff(judged, base), workspace_diff(workspace, base)):
        assert [(file.path, file.binary, file.added) for file in told] == [
            (".gitattributes", False, 1),
            ("a.py", False, 1),
        ]
        assert told[1].text == "@@ -1 +1 @@\n-x = 1\n+x = 2\n"


def test_what_moved_is_looked_for_among_so_many_files(ground: Path) -> None:
    repo = ground / "shop.git"
    create_repository(repo, {"a": b"a"}, MASON, NOON)
    was = write_blob(repo, b"one line of it\n" * 20)
    now = write_blob(repo, b"one line of it\n" * 20 + b"and another\n")

    def tree(name: str, blob: str, many: int) -> str:
        files = [TreeFile(f"{name}-{number}".encode(), REGULAR, blob) for number in range(many)]
        return write_tree(repo, files, repo / "scratch-index")

    def told(many: int) -> set[str]:
        return {file.status for file in diff(repo, tree("old", was, many), tree("new", now, many))}

    assert "renamed" in told(200)
    assert told(201) == {"added", "deleted"}
