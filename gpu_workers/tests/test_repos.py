"""Repositories and workspaces with the real git: a commit once, a push once, and nothing of a hostile tree runs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpu_workers.repos import (
    BaseMoved,
    DiffLimits,
    GitError,
    RebaseConflict,
    Signature,
    Workspace,
    clone_workspace,
    commit_all,
    create_repository,
    diff,
    diff_hash,
    head_of,
    log,
    ls_tree,
    merge_fast_forward,
    push_branch,
    read_file,
    rebase,
    revert,
    workspace_diff,
)
from gpu_workers.repos.changes import is_revert
from gpu_workers.repos.git import git
from gpu_workers.repos.reading import tree_id
from gpu_workers.repos.repository import commit_tree
from gpu_workers.repos.workspaces import MAX_FILE, tree_of

pytestmark = pytest.mark.integration

MASON = Signature("Mason", "mason@agents.example")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 13, 0, tzinfo=UTC)
FILES = {"README.md": b"# Shop\n", "src/a.py": b"one\ntwo\nthree\nfour\nfive\n", "run": b"#!/bin/sh\necho hi\n"}
BRANCH = "guildhall/SHOP-1.1-7"
Clone = Callable[..., Workspace]


@pytest.fixture
def repo(ground: Path) -> Path:
    create_repository(ground / "shop.git", FILES, MASON, NOON)
    return ground / "shop.git"


@pytest.fixture
def clone(repo: Path, ground: Path) -> Clone:
    def make(name: str = "ws", branch: str = BRANCH, base: str | None = None) -> Workspace:
        return clone_workspace(repo, ground / name, branch, base or head_of(repo, "main"))

    return make


def change(repo: Path, workspace: Workspace, path: str, content: bytes, branch: str = BRANCH) -> str:
    """Write, commit and push one file; the new commit."""
    base = head_of(workspace.git_dir, branch)
    (workspace.tree / path).parent.mkdir(parents=True, exist_ok=True)
    (workspace.tree / path).write_bytes(content)
    sha = commit_all(workspace, branch, base, f"Change {path}", MASON, NOON)
    assert sha is not None
    return push_branch(repo, workspace, branch, sha, None)


def test_creating_a_repository_twice_gives_the_same_commit(repo: Path) -> None:
    sha = head_of(repo, "main")
    assert create_repository(repo, FILES, MASON, NOON) == sha
    with pytest.raises(GitError, match="another repository"):
        create_repository(repo, {"other": b"x"}, MASON, NOON)
    assert {entry.path: entry.mode for entry in ls_tree(repo, sha)} == {
        "README.md": "100644",
        "run": "100755",
        "src/a.py": "100644",
    }
    assert read_file(repo, sha, "README.md") == b"# Shop\n"


def test_a_clone_is_made_once_and_an_unfinished_one_anew(clone: Clone) -> None:
    workspace = clone()
    (workspace.tree / "draft").write_text("kept")
    assert (clone().tree / "draft").read_text() == "kept"
    (workspace.root / "ready").unlink()
    assert not (clone().tree / "draft").exists()
    assert os.access(workspace.tree / "run", os.X_OK)


def test_a_commit_repeated_after_a_crash_is_the_same_commit(clone: Clone, repo: Path) -> None:
    workspace, base = clone(), head_of(repo, "main")
    (workspace.tree / "new.txt").write_text("new\n")
    first = commit_all(workspace, BRANCH, base, "Add a file", MASON, NOON)
    again = commit_all(workspace, BRANCH, base, "Add a file", MASON, NOON)
    assert first == again
    assert first is not None
    assert commit_all(workspace, BRANCH, first, "Nothing", MASON, NOON) is None
    assert [entry.subject for entry in log(workspace.git_dir, first, base)] == ["Add a file"]


def test_ignored_files_are_left_out_unless_they_are_tracked(clone: Clone, repo: Path) -> None:
    workspace, base = clone(), head_of(repo, "main")
    (workspace.tree / ".gitignore").write_text("*.log\nrun\n")
    (workspace.tree / "x.log").write_text("x")
    sha = commit_all(workspace, BRANCH, base, "Ignore logs", MASON, NOON)
    assert sha is not None
    assert {entry.path for entry in ls_tree(workspace.git_dir, sha)} == {*FILES, ".gitignore"}


def test_nobody_waits_for_a_pipe_that_is_to_say_what_is_ignored(
    clone: Clone, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu_workers.repos.git.TIMEOUT_S", 2)
    workspace = clone()
    (workspace.tree / "docs" / "deep").mkdir(parents=True)
    (workspace.tree / "docs" / "deep" / "new.md").write_text("x")
    os.mkfifo(workspace.tree / "docs" / ".gitignore")
    with pytest.raises(GitError, match=r"'docs/\.gitignore' is no file: .* Remove it") as refused:
        tree_of(workspace, head_of(repo, "main"))
    assert refused.value.own


def test_a_large_file_is_in_nobodys_way_where_it_is_ignored(clone: Clone, repo: Path) -> None:
    workspace = clone()
    (workspace.tree / ".gitignore").write_text("build/\n")
    (workspace.tree / "build").mkdir()
    for place in ("build/big.bin", "big.bin"):
        with (workspace.tree / place).open("wb") as file:
            file.truncate(MAX_FILE + 1)
    with pytest.raises(GitError, match=r"'big.bin' is larger than \d+ bytes and cannot be committed"):
        tree_of(workspace, head_of(repo, "main"))
    (workspace.tree / "big.bin").unlink()
    held = {entry.path for entry in ls_tree(workspace.git_dir, tree_of(workspace, head_of(repo, "main")))}
    assert held == {*FILES, ".gitignore"}


def test_a_push_is_repeatable_and_fenced(clone: Clone, repo: Path) -> None:
    mine, other = clone("mine"), clone("other")
    sha = change(repo, mine, "a", b"1")
    assert push_branch(repo, mine, BRANCH, sha, None) == sha
    (other.tree / "b").write_bytes(b"2")
    stale = commit_all(other, BRANCH, head_of(repo, "main"), "Other", MASON, NOON)
    assert stale is not None
    with pytest.raises(BaseMoved) as caught:
        push_branch(repo, other, BRANCH, stale, None)
    assert caught.value.current == sha
    assert head_of(repo, BRANCH) == sha


def test_a_merge_takes_exactly_the_approved_commit_once(clone: Clone, repo: Path) -> None:
    base = head_of(repo, "main")
    sha = change(repo, clone(), "a", b"1")
    assert merge_fast_forward(repo, "main", sha, base) == sha
    assert merge_fast_forward(repo, "main", sha, base) == sha
    assert head_of(repo, "main") == sha
    other = change(repo, clone("second", "second", base), "b", b"2", "second")
    with pytest.raises(BaseMoved):
        merge_fast_forward(repo, "main", other, base)
    with pytest.raises(GitError, match="does not come from"):
        merge_fast_forward(repo, "main", other, sha)
    assert head_of(repo, "main") == sha


def test_a_change_is_rebased_on_a_base_that_moved(clone: Clone, repo: Path) -> None:
    base = head_of(repo, "main")
    mine = clone()
    change(repo, mine, "src/a.py", b"ONE\ntwo\nthree\nfour\nfive\n")
    first = head_of(repo, BRANCH)
    (mine.tree / "more").write_bytes(b"more")
    second = commit_all(mine, BRANCH, first, "More\n\nWith a body.", MASON, NOON)
    assert second is not None
    push_branch(repo, mine, BRANCH, second, first)
    moved = change(repo, clone("b", "b"), "src/a.py", b"one\ntwo\nthree\nfour\nFIVE\n", "b")
    merge_fast_forward(repo, "main", moved, base)
    head = rebase(repo, second, base, moved, MASON, LATER)
    assert rebase(repo, second, base, moved, MASON, LATER) == head
    assert [entry.subject for entry in log(repo, head, moved)] == ["More", "Change src/a.py"]
    assert read_file(repo, head, "src/a.py") == b"ONE\ntwo\nthree\nfour\nFIVE\n"
    assert log(repo, head)[0].when == NOON
    assert merge_fast_forward(repo, "main", head, moved) == head


def test_a_conflict_names_its_files(clone: Clone, repo: Path) -> None:
    base = head_of(repo, "main")
    mine = change(repo, clone(), "src/a.py", b"mine\n")
    moved = change(repo, clone("b", "b"), "src/a.py", b"theirs\n", "b")
    with pytest.raises(RebaseConflict) as caught:
        rebase(repo, mine, base, moved, MASON, LATER)
    assert caught.value.paths == ("src/a.py",)


def test_a_commit_of_the_year_10000_is_read_and_rebased(clone: Clone, repo: Path) -> None:
    base = head_of(repo, "main")
    told = git(repo, "cat-file", "commit", change(repo, clone(), "src/a.py", b"late\n"))
    late = re.sub(rb"> \d+", b"> 253402300800", told)
    sha = git(repo, "hash-object", "-w", "-t", "commit", "--stdin", data=late).decode().strip()
    onto = commit_tree(repo, tree_id(repo, base), [base], "Meanwhile", MASON, NOON)
    for head, start in ((sha, base), (rebase(repo, sha, base, onto, MASON, NOON), onto)):
        assert [one.when.year for one in log(repo, head, start)] == [9999]


def test_a_revert_undoes_a_merged_range_once(clone: Clone, repo: Path) -> None:
    base = head_of(repo, "main")
    mine = clone()
    first = change(repo, mine, "src/a.py", b"broken\n")
    (mine.tree / "more").write_bytes(b"more")
    head = commit_all(mine, BRANCH, first, "More", MASON, NOON)
    assert head is not None
    push_branch(repo, mine, BRANCH, head, first)
    merge_fast_forward(repo, "main", head, base)
    sha = revert(repo, "main", head, MASON, LATER, base=base, expected=head)
    assert revert(repo, "main", head, MASON, LATER, base=base, expected=head) == sha
    assert diff(repo, base, sha) == []
    with pytest.raises(GitError, match="nothing left"):
        revert(repo, "main", head, MASON, LATER, base=base, expected=sha)
    with pytest.raises(BaseMoved):
        revert(repo, "main", head, MASON, NOON, base=base, expected=head)
    kept = commit_tree(repo, tree_id(repo, head), [head], 'Revert "More"', MASON, LATER)
    again = commit_tree(repo, tree_id(repo, base), [sha], 'Revert "More"', MASON, LATER)
    found = {
        commit.sha: is_revert(repo, commit, head, MASON, base=base)
        for tip in (kept, again)
        for commit in log(repo, tip, head)
    }
    assert found == {sha: True, kept: False, again: False}, "who signs it and what it says makes no revert"


def test_a_diff_tells_what_happened_to_each_file(clone: Clone, repo: Path) -> None:
    workspace, base = clone(), head_of(repo, "main")
    (workspace.tree / "src/a.py").rename(workspace.tree / "src/b.py")
    (workspace.tree / "run").unlink()
    (workspace.tree / "README.md").write_text("# Shop\n\ndiff --git a/x b/x\n@@ -1 +1 @@\n")
    (workspace.tree / "blob").write_bytes(b"\0\1\2")
    found = {entry.path: entry for entry in workspace_diff(workspace, base)}
    assert found["src/b.py"].status == "renamed"
    assert found["src/b.py"].old_path == "src/a.py"
    assert (found["run"].status, found["run"].removed) == ("deleted", 2)
    assert found["blob"].binary
    assert found["blob"].text == ""
    assert found["README.md"].text == "@@ -1 +1,4 @@\n # Shop\n+\n+diff --git a/x b/x\n+@@ -1 +1 @@\n"


def test_a_huge_diff_is_counted_and_cut(clone: Clone, repo: Path) -> None:
    workspace, base = clone(), head_of(repo, "main")
    (workspace.tree / "big").write_text("line of text\n" * 200_000)
    (workspace.tree / "small").write_text("x\n")
    big, small = diff(workspace.git_dir, base, commit_all(workspace, BRANCH, base, "Big", MASON, NOON) or "")
    assert (big.added, big.truncated, len(big.text) < 70_000) == (200_000, True, True)
    assert (small.text, small.truncated) == ("@@ -0,0 +1 @@\n+x\n", False)
    head = head_of(workspace.git_dir, BRANCH)
    assert [entry.truncated for entry in diff(workspace.git_dir, base, head, DiffLimits(files=0))] == [True, True]


def test_the_hash_of_a_diff_stands_for_its_content(clone: Clone, repo: Path) -> None:
    base = head_of(repo, "main")
    one = change(repo, clone("one", "one"), "a", b"1", "one")
    same = change(repo, clone("two", "two"), "a", b"1", "two")
    other = change(repo, clone("three", "three"), "a", b"2", "three")
    assert diff_hash(repo, base, one) == diff_hash(repo, base, same)
    assert diff_hash(repo, base, one) != diff_hash(repo, base, other)
    assert len(diff_hash(repo, base, one)) == 64


def test_nothing_that_a_hostile_tree_names_is_run_or_followed(clone: Clone, repo: Path, ground: Path) -> None:
    workspace, base = clone(), head_of(repo, "main")
    tree, mark = workspace.tree, ground / "ran"
    (ground / "secret").write_text("tok-6f1c")
    touch = f"touch {mark}"
    (tree / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    evil = f'[core]\n fsmonitor = "{touch}"\n hooksPath = hooks\n pager = "{touch}"\n sshCommand = "{touch}"\n'
    evil += f'[filter "evil"]\n clean = "{touch}"\n smudge = "{touch}"\n[diff "evil"]\n textconv = "{touch}"\n'
    for place in (tree / ".git", tree / "nested"):
        if place.name == "nested":
            subprocess.run(["git", "init", "-q", str(place)], check=True)
            place = place / ".git"
        (place / "hooks").mkdir(parents=True, exist_ok=True)
        for hook in ("pre-commit", "post-checkout", "post-commit", "update", "reference-transaction"):
            (place / "hooks" / hook).write_text(f"#!/bin/sh\n{touch}\n")
            (place / "hooks" / hook).chmod(0o755)
        (place / "config").write_text(evil)
    (tree / ".gitmodules").write_text('[submodule "x"]\n path = x\n url = ext::sh -c touch\n')
    (tree / "link").symlink_to(ground / "secret")
    (tree / "folder").symlink_to(ground)
    os.mkfifo(tree / "pipe")
    with open(os.path.join(os.fsencode(tree), b"odd\xff\nname"), "w") as stream:
        stream.write("odd")
    sha = commit_all(workspace, BRANCH, base, "Hostile", MASON, NOON)
    assert sha is not None
    push_branch(repo, workspace, BRANCH, sha, None)
    shown = diff(repo, base, sha)
    merge_fast_forward(repo, "main", sha, base)
    again = clone_workspace(repo, ground / "again", "again", sha)
    assert not mark.exists()
    entries = {entry.path: entry for entry in ls_tree(repo, sha)}
    assert set(entries) == {*FILES, ".gitattributes", ".gitmodules", "link", "folder", "odd\udcff\nname"}
    assert entries["link"].is_link
    assert read_file(repo, sha, "link") == os.fsencode(ground / "secret")
    assert "tok-6f1c" not in "".join(entry.text for entry in shown)
    assert (again.tree / "folder").is_symlink()


def test_a_submodule_stays_a_reference(clone: Clone, repo: Path, ground: Path) -> None:
    workspace, base = clone(), head_of(repo, "main")
    (workspace.tree / "vendor").mkdir()
    tree = subprocess.run(
        ["git", f"--git-dir={repo}", "mktree"],
        input=f"160000 commit {base}\tvendor\n".encode(),
        capture_output=True,
        check=True,
    ).stdout.decode()
    sha = subprocess.run(
        [
            "git",
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@x",
            f"--git-dir={repo}",
            "commit-tree",
            tree.strip(),
            "-m",
            "s",
        ],
        capture_output=True,
        check=True,
    ).stdout.decode()
    again = clone_workspace(repo, ground / "sub", "sub", sha.strip())
    assert list((again.tree / "vendor").iterdir()) == []
    (again.tree / "x").write_text("x")
    head = commit_all(again, "sub", sha.strip(), "Beside it", MASON, NOON)
    assert head is not None
    assert {entry.path: entry.is_submodule for entry in ls_tree(again.git_dir, head)} == {"vendor": True, "x": False}


@pytest.mark.parametrize("name", ["../x", "a/.git/config", ".GIT/hooks/pre-commit"])
def test_a_tree_that_would_leave_its_folder_is_refused(repo: Path, ground: Path, name: str) -> None:
    entry = b"".join(
        [b"100644 ", name.encode(), b"\0", bytes.fromhex(ls_tree(repo, head_of(repo, "main"))[0].object_id)]
    )
    make = ["git", f"--git-dir={repo}", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"]
    tree = subprocess.run(make, input=entry, capture_output=True, check=True).stdout.decode().strip()
    sha = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@x", f"--git-dir={repo}", "commit-tree", tree, "-m", "bad"],
        capture_output=True,
        check=True,
    ).stdout.decode()
    with pytest.raises(GitError):
        clone_workspace(repo, ground / "bad", "bad", sha.strip())
    assert not (ground / "x").exists()
    assert not (ground / "bad" / "ready").exists()


@pytest.mark.parametrize("branch", ["--upload-pack=x", "a..b", ".hidden", "a/.b", "x.lock", "a b", "", "a/"])
def test_a_branch_name_cannot_be_an_option_or_an_expression(repo: Path, ground: Path, branch: str) -> None:
    with pytest.raises(GitError):
        clone_workspace(repo, ground / "ws", branch, head_of(repo, "main"))
    with pytest.raises(GitError):
        log(repo, "--output=x")
