"""Trees that git itself would never write: refused where they are fetched, and nothing is written of them anywhere."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import pytest

from gpu_workers.ci import CIStatus, run_ci
from gpu_workers.forges import Refused
from gpu_workers.forges.remote import Remote
from gpu_workers.repos import Signature, Workspace, clone_workspace, commit_all, create_repository
from gpu_workers.repos.git import FlawedHistory, GitError, git, text
from gpu_workers.repos.reading import checkout_tree
from gpu_workers.repos.repository import commit_tree, init, update_branch, write_blob
from gpu_workers.repos.workspaces import restore_tree
from gpu_workers.sandbox import Sandbox
from gpu_workers.suite.form import SuiteTask, TaskFile
from gpu_workers.suite.proof import proves
from tests.fakes.github import FULL_NAME, TOKEN, GitHubServer

pytestmark = pytest.mark.integration

MASON = Signature("Mason", "mason@example.org")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Entries: TypeAlias = "list[tuple[str, str, str | Entries]]"
FILE, LINK, FOLDER, SUBMODULE = "100644", "120000", "40000", "160000"
OUT = "OUT"
"""The content of a link that leads out, in the cases below."""
MALFORMED: dict[str, Entries] = {
    "a link, and a folder of its name with a link": [(LINK, "x", OUT), (FOLDER, "x", [(LINK, "y", "/")])],
    "the folder before the link": [(FOLDER, "x", [(LINK, "y", "/")]), (LINK, "x", OUT)],
    "a link, and a folder of its name with a file": [(LINK, "x", OUT), (FOLDER, "x", [(FILE, "y", "written")])],
    "a link, and a folder of its name with a folder": [
        (LINK, "x", OUT),
        (FOLDER, "x", [(FOLDER, "y", [(FILE, "z", "written")])]),
    ],
    "a link, and a submodule in a folder of its name": [(LINK, "x", OUT), (FOLDER, "x", [(SUBMODULE, "y", "")])],
    "a submodule and a folder": [(FOLDER, "x", [(FILE, "y", "a")]), (SUBMODULE, "x", "")],
    "a file and a folder": [(FILE, "x", "a"), (FOLDER, "x", [(FILE, "y", "b")])],
    "a file twice": [(FILE, "x", "a"), (FILE, "x", "b")],
    "a link, and a file of its name": [(LINK, "x", OUT + "/y"), (FILE, "x", "written")],
    "a link, and a submodule of its name": [(LINK, "x", OUT), (SUBMODULE, "x", "")],
    "a link to nowhere": [(FILE, "a", "a"), (LINK, "x", "")],
}


def write_literally(repo: Path, entries: Entries, outside: Path, *, pad: str = "") -> str:
    """A tree with exactly these entries in this order, written past all of git's rules; its id."""
    lines = b""
    for mode, name, content in entries:
        if isinstance(content, list):
            object_id = write_literally(repo, content, outside, pad=pad)
        elif mode == SUBMODULE:
            object_id = "5" * 40
        else:
            object_id = write_blob(repo, content.replace(OUT, str(outside)).encode())
        lines += f"{pad if mode == FOLDER else ''}{mode} {name}".encode() + b"\0" + bytes.fromhex(object_id)
    return text(git(repo, "hash-object", "-t", "tree", "-w", "--stdin", "--literally", data=lines))


@pytest.fixture
def outside(ground: Path) -> Path:
    (ground / "outside").mkdir()
    return ground / "outside"


@pytest.mark.parametrize("case", MALFORMED)
def test_nothing_of_a_malformed_tree_is_written(ground: Path, outside: Path, sandbox: Sandbox, case: str) -> None:
    repo = ground / "hostile.git"
    init(repo, bare=True)
    tree = write_literally(repo, MALFORMED[case], outside)
    sha = commit_tree(repo, tree, [], "Hostile", MASON, NOON)
    with pytest.raises(GitError, match="cannot be checked out"):
        checkout_tree(repo, sha, ground / "checkout")
    with pytest.raises(GitError):
        clone_workspace(repo, ground / "run-7", "guildhall/X-7", sha)
    (ground / "kept" / "tree").mkdir(parents=True)
    (ground / "kept" / "tree" / "work.txt").write_text("work")
    (ground / "kept" / "git").symlink_to(repo)
    with pytest.raises(GitError):
        restore_tree(Workspace(ground / "kept"), tree)
    outcome = run_ci(repo, sha, "touch x/y", sandbox, ground / "scratch")
    assert (outcome.status, list((ground / "scratch").iterdir())) == (CIStatus.ERROR, [])
    assert list(outside.iterdir()) == []
    assert not (ground / "checkout").exists()
    assert not (ground / "run-7" / "tree").exists()
    assert (ground / "kept" / "tree" / "work.txt").read_text() == "work", "what was there is not lost to a refusal"


def test_a_folder_that_holds_something_is_not_checked_out_into(ground: Path, outside: Path) -> None:
    repo = ground / "shop.git"
    sha = create_repository(repo, {"src/a.py": b"written"}, MASON, NOON)
    (ground / "checkout").mkdir()
    (ground / "checkout" / "src").symlink_to(outside)
    with pytest.raises(GitError, match="not empty"):
        checkout_tree(repo, sha, ground / "checkout")
    assert list(outside.iterdir()) == []
    # A workspace that somebody else put where a run's will be is not taken for it.
    (outside / "ready").touch()
    (ground / "run-8").symlink_to(outside)
    workspace = clone_workspace(repo, ground / "run-8", "guildhall/X-8", sha)
    assert (workspace.tree / "src" / "a.py").read_bytes() == b"written"
    assert not (ground / "run-8").is_symlink()
    assert [place.name for place in outside.iterdir()] == ["ready"]


def test_a_forge_that_serves_malformed_objects_is_refused_with_words(ground: Path, outside: Path) -> None:
    with GitHubServer(ground / "hub") as hub:
        first = hub.start({"README.md": b"# Shop\n"})
        bad = write_literally(hub.repo, MALFORMED["a link, and a folder of its name with a link"], outside)
        bad = commit_tree(hub.repo, bad, [first], "Hostile", MASON, NOON)
        # Not at the head any more: who checks an older commit out would still get it.
        head = commit_tree(hub.repo, text(git(hub.repo, "rev-parse", f"{first}^{{tree}}")), [bad], "Back", MASON, NOON)
        hub.git("update-ref", "refs/heads/main", head)
        copy = ground / "copy.git"
        init(copy, bare=True)
        remote = Remote(copy, f"{hub.at}/git/{FULL_NAME}.git", TOKEN, loopback=True)
        with pytest.raises(Refused, match=r"malformed object, [0-9a-f]{12} \(\w+\)"):
            remote.fetch("main")
        assert git(copy, "for-each-ref") == b""
        with pytest.raises(FlawedHistory, match="git fsck"):
            clone_workspace(hub.repo, ground / "run-9", "guildhall/X-9", head)


def test_a_history_with_the_harmless_flaws_of_old_programs_is_worked_with(ground: Path, outside: Path) -> None:
    repo, branch = ground / "old.git", "guildhall/X-3"
    init(repo, bare=True)
    tree = write_literally(repo, [(FILE, "a", "one"), (FOLDER, "src", [(FILE, "b", "two")])], outside, pad="0")
    words = f"tree {tree}\nauthor Old <o@x> 1 +051800\ncommitter Old <o@x> 01 +0000\n\nOld\n"
    sha = text(git(repo, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=words.encode()))
    update_branch(repo, "main", sha, None)
    workspace = clone_workspace(repo, ground / "run-3", branch, sha)
    assert commit_all(workspace, branch, sha, "Nothing", MASON, NOON) is None
    (workspace.tree / "src" / "b").write_text("three")
    head = commit_all(workspace, branch, sha, "Something", MASON, NOON)
    assert head is not None
    again = clone_workspace(workspace.git_dir, ground / "run-4", branch, head)
    assert (again.tree / "src" / "b").read_text() == "three"


def test_a_task_of_the_suite_is_judged_without_writing_through_links_of_its_answer(
    ground: Path, outside: Path, sandbox: Sandbox
) -> None:
    """The answer put a link where the test's folder is; what it leads to has a link of the test's name."""
    (outside / "target").write_text("kept")
    (outside / "check.sh").symlink_to(outside / "target")
    repo = ground / "answer.git"
    init(repo, bare=True)
    tree = write_literally(repo, [(LINK, "tests", OUT)], outside)
    update_branch(repo, "main", commit_tree(repo, tree, [], "Answer", MASON, NOON), None)
    said = {"title": "Mend it", "statement": "What is broken is to be mended.", "acceptance": ["The check passes."]}
    asked = TaskFile.model_validate({**said, "test": "sh tests/check.sh"})
    files = {"tests/check.sh": b"true"}
    task = SuiteTask(name="linked", asked=asked, files=files, protected=files)
    assert proves(task, repo, sandbox, ground / "proof")
    assert (outside / "check.sh").is_symlink()
    assert os.readlink(outside / "check.sh") == str(outside / "target")
    assert (outside / "target").read_text() == "kept"
