"""A repository whose large files lie elsewhere: their pointers are files like others, and no filter of theirs is run."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpu_workers.repos import Signature, create_repository, diff, head_of, push_branch, read_file, workspace_diff
from gpu_workers.repos import clone_workspace as clone
from gpu_workers.repos import commit_all as commit
from gpu_workers.repos.git import git
from gpu_workers.repos.reading import checkout_tree
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
