"""Trees of a few kilobytes that unfold into millions of files: refused with words, on every way in, before they are read."""

import tracemalloc
import zlib
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path

import pytest

from gpu_workers.ci import CIStatus, run_ci
from gpu_workers.forges import Refused
from gpu_workers.forges.remote import Remote
from gpu_workers.patching import checked_branch_head
from gpu_workers.repos import (
    Signature,
    TreeTooLarge,
    changed_paths,
    checkout_tree,
    clone_workspace,
    commit_all,
    create_repository,
    diff,
    head_of,
    ls_tree,
    rebase,
)
from gpu_workers.repos.bounds import MAX_DEPTH, refuse_unfolding
from gpu_workers.repos.git import GitError, OutputTooLong, git
from gpu_workers.repos.repository import REGULAR, TreeFile, commit_tree, init, write_blob, write_tree
from gpu_workers.repos.workspaces import tree_of
from gpu_workers.sandbox import Sandbox
from tests.fakes.github import FULL_NAME, TOKEN, GitHubServer

pytestmark = pytest.mark.integration

MASON = Signature("Mason", "mason@example.org")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOO_MANY, TOO_DEEP = "more than 200000 files and folders", "more than 256 folders within each other"


def put_object(repo: Path, kind: str, content: bytes, size: int | None = None) -> str:
    """An object in the store without a process for it; `size` in bytes is what its header says."""
    whole = f"{kind} {len(content) if size is None else size}".encode() + b"\0" + content
    name = sha1(whole, usedforsecurity=False).hexdigest()
    place = repo / "objects" / name[:2] / name[2:]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(zlib.compress(whole))
    return name


def folded(repo: Path, first: bytes, times: int, width: int) -> str:
    """A tree in which each folder holds the same folder `width` times, `times` deep; at the bottom lies `first`."""
    tree = put_object(repo, "tree", first)
    for _ in range(times):
        line = b"\0" + bytes.fromhex(tree)
        tree = put_object(repo, "tree", b"".join(b"40000 f%d" % number + line for number in range(width)))
    return tree


def bombs(repo: Path) -> dict[str, str]:
    """Trees by what they are refused for: ten million files, as many folders without a file, and a depth."""
    file = b"100644 a\0" + bytes.fromhex(put_object(repo, "blob", b"x"))
    return {
        folded(repo, file, 7, 10): TOO_MANY,
        folded(repo, b"", 7, 10): TOO_MANY,
        folded(repo, file, MAX_DEPTH + 1, 1): TOO_DEEP,
        folded(repo, file, 4 * MAX_DEPTH, 1): TOO_DEEP,
    }


def test_a_tree_that_unfolds_is_refused_before_it_is_read(ground: Path, sandbox: Sandbox) -> None:
    repo = ground / "hostile.git"
    first = create_repository(repo, {"README.md": b"# Shop\n"}, MASON, NOON)
    for tree, why in bombs(repo).items():
        sha = commit_tree(repo, tree, [first], "Hostile", MASON, NOON)
        with pytest.raises(TreeTooLarge, match=why):
            ls_tree(repo, sha)
        # As a branch that is handed in: our own sentence, which is final and for its person.
        with pytest.raises(TreeTooLarge, match=why) as refusal:
            checked_branch_head(repo, first, sha)
        assert refusal.value.status == 0
        assert refusal.value.__cause__ is None
    for base, head in ((first, sha), (sha, first)):
        with pytest.raises(TreeTooLarge):
            changed_paths(repo, base, head)
        with pytest.raises(TreeTooLarge):
            diff(repo, base, head)
    with pytest.raises(TreeTooLarge):
        rebase(repo, sha, first, first, MASON, NOON)
    with pytest.raises(TreeTooLarge):
        checkout_tree(repo, sha, ground / "checkout")
    with pytest.raises(TreeTooLarge):
        clone_workspace(repo, ground / "run-7", "guildhall/X-7", sha)
    assert not (ground / "run-7").exists()
    outcome = run_ci(repo, sha, "true", sandbox, ground / "scratch")
    assert outcome.status is CIStatus.ERROR
    assert TOO_DEEP in outcome.log


def test_a_forge_that_serves_such_a_tree_is_refused_and_the_copy_stays(ground: Path) -> None:
    with GitHubServer(ground / "hub") as hub:
        first = hub.start({"README.md": b"# Shop\n"})
        copy = ground / "copy.git"
        init(copy, bare=True)
        remote = Remote(copy, f"{hub.at}/git/{FULL_NAME}.git", TOKEN, loopback=True)
        assert remote.fetch("main") == first
        bomb = commit_tree(hub.repo, folded(hub.repo, b"", 7, 10), [first], "Hostile", MASON, NOON)
        hub.git("update-ref", "refs/heads/main", bomb)
        hub.git("update-ref", "refs/heads/mine", bomb)
        for branch, into in (("main", ""), ("mine", "guildhall/X-1")):
            with pytest.raises(Refused, match=TOO_MANY):
                remote.fetch(branch, into)
        assert git(copy, "for-each-ref", "--format=%(refname) %(objectname)") == f"refs/heads/main {first}\n".encode()


def test_a_repository_of_a_thousand_files_is_worked_with(ground: Path) -> None:
    repo, branch = ground / "large.git", "guildhall/X-3"
    init(repo, bare=True)
    blob, deep = write_blob(repo, b"x"), "/".join(["d"] * MAX_DEPTH)
    names = [f"src/part{number % 7}/module{number % 70}/file{number}.py" for number in range(1000)]
    files = [TreeFile(name.encode(), REGULAR, blob) for name in (*names, f"{deep}/end.py")]
    sha = commit_tree(repo, write_tree(repo, files, ground / "index"), [], "Large", MASON, NOON)
    workspace = clone_workspace(repo, ground / "run-3", branch, sha)
    (workspace.tree / names[-1]).write_text("y")
    head = commit_all(workspace, branch, sha, "Something", MASON, NOON)
    assert head is not None
    assert [file.path for file in diff(workspace.git_dir, sha, head)] == [names[-1]]
    assert len(ls_tree(workspace.git_dir, head)) == 1001
    # What a command leaves is judged by the same bounds, and by no other process.
    (workspace.tree / deep / "d").mkdir()
    (workspace.tree / deep / "d" / "end.py").write_text("z")
    with pytest.raises(TreeTooLarge, match=TOO_DEEP):
        tree_of(workspace, sha)


def test_no_git_process_takes_the_memory_that_an_object_asks_for(ground: Path) -> None:
    repo = ground / "shop.git"
    sha = create_repository(repo, {"a.txt": b"x" * 2000}, MASON, NOON)
    asking = put_object(repo, "tree", b"", size=3 * 1024**3)
    with pytest.raises(GitError, match="Out of memory"):
        git(repo, "cat-file", "tree", asking)
    with pytest.raises(GitError):
        refuse_unfolding(repo, asking)
    with pytest.raises(OutputTooLong, match="1000 bytes"):
        git(repo, "show", f"{sha}:a.txt", most=1000)
    assert head_of(repo, "main") == sha


def test_files_are_checked_out_as_they_come_and_not_held(ground: Path) -> None:
    large = 24 * 1024 * 1024
    sha = create_repository(ground / "shop.git", {"a": b"a" * large, "b/b": b"b" * large, "c": b"c"}, MASON, NOON)
    tracemalloc.start()
    try:
        checkout_tree(ground / "shop.git", sha, ground / "checkout")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < large // 2
    assert {path.name: path.stat().st_size for path in (ground / "checkout").rglob("?") if path.is_file()} == {
        "a": large, "b": large, "c": 1,
    }  # fmt: skip
