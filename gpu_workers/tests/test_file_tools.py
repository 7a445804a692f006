"""Tools that change files keep what they do not change: bytes, line ends, and all of it where a part is refused."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpu_workers import confined
from gpu_workers.confined import PathRefused, confined_change, confined_read, confined_remove, confined_write
from gpu_workers.repos import Workspace
from gpu_workers.tools import TaskBrief, ToolContext, execute, files, patch
from gpu_workers.tools.patch import PatchError, apply_unified
from guildhall.kernel.redaction import redact

pytestmark = pytest.mark.unit

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n-----END RSA PRIVATE KEY-----\n"


@pytest.fixture
def ctx(tmp_path: Path) -> ToolContext:
    workspace = Workspace(tmp_path)
    workspace.tree.mkdir()
    box = SimpleNamespace(owner=None)
    return ToolContext(workspace, box, "developer", TaskBrief("Mend"), "")  # type: ignore[arg-type]


def _hunk(path: str, lines: str, start: int = 1) -> str:
    signs = [line[0] for line in lines.removesuffix("\n").split("\n") if line[0] in " +-"]
    old, new = (sum(sign in side for sign in signs) for side in (" -", " +"))
    return f"--- a/{path}\n+++ b/{path}\n@@ -{start},{old} +{start},{new} @@\n{lines}"


def _new(path: str) -> str:
    return f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"


def test_bytes_that_are_no_utf8_stay_what_they_are(ctx: ToolContext) -> None:
    place = ctx.workspace.tree / "menu.txt"
    place.write_bytes(b"caf\xe9 au lait\none\nth\xe9\n")
    read = execute("read_file", {"path": "menu.txt"}, ctx).text
    assert read == "caf\ufffd au lait\none\nth\ufffd\n"
    shown = " caf\ufffd au lait\n-one\n+two\n th\ufffd\n"
    assert execute("apply_patch", {"patch": _hunk("menu.txt", shown)}, ctx).ok, "lines are matched as they were read"
    assert place.read_bytes() == b"caf\xe9 au lait\ntwo\nth\xe9\n"
    for name, arguments in (
        ("apply_patch", {"patch": _hunk("menu.txt", "-caf\ufffd au lait\n+caf\ufffd noir\n")}),
        ("write_file", {"path": "menu.txt", "content": read}),
    ):
        refused = execute(name, arguments, ctx)
        assert (refused.ok, "that are no UTF-8" in refused.text) == (False, True), refused.text
    assert place.read_bytes() == b"caf\xe9 au lait\ntwo\nth\xe9\n"
    missing = execute("apply_patch", {"patch": _hunk("menu.txt", "-caf\ufffd\n+x\n")}, ctx).text
    assert missing.encode().decode() == missing
    assert execute("write_file", {"path": "marks.txt", "content": "\ufffd\n"}, ctx).ok, (
        "a text may have the mark itself"
    )
    assert execute("write_file", {"path": "marks.txt", "content": "\ufffd\ufffd\n"}, ctx).ok


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("a\r\nb\r\n", "-a\n+x\n+y\n b\n", "x\r\ny\r\nb\r\n"),
        ("a\r\nb\r\n", "-a\r\n+x\r\n b\r\n", "x\r\nb\r\n"),
        ("a\r\nb\nc\n", " a\n-b\n+x\n c\n", "a\r\nx\nc\n"),
        ("a\nb\r\nc\n", " a\n-b\n+x\n c\n", "a\nx\r\nc\n"),
        ("a\r\nb", "-b\n\\ No newline at end of file\n+x\n", "a\r\nx\r\n"),
        ("x\fy\na\n", " x\fy\n-a\n+b\n", "x\fy\nb\n"),
        ("1\n2\f\n3\x85\n4\u2028\n5\n", "+new\n", "1\n2\f\n3\x85\nnew\n4\u2028\n5\n"),
        ("a\rb\nc\n", " a\rb\n-c\n+d\n", "a\rb\nd\n"),
        ("a\nb\n", "-b\n+c\n\\ No newline at end of file\n", "a\nc"),
    ],
)
def test_lines_end_at_line_feeds_and_keep_their_ends(before: str, change: str, after: str) -> None:
    start = 3 if change == "+new\n" else 1
    assert apply_unified(_hunk("f", change, start), {"f": before}.__getitem__) == {"f": after}


@pytest.mark.parametrize(
    "before", ["x\fy\nneedle\n", "x\x85y\r\nneedle\r\n", "x\u2028y\nneedle\n", "\n\v\x1c\x1d\x1eneedle\n"]
)
def test_reading_and_searching_count_lines_alike(ctx: ToolContext, before: str) -> None:
    (ctx.workspace.tree / "f").write_bytes(before.encode())
    assert "needle" in execute("read_file", {"path": "f", "first_line": 2, "last_line": 2}, ctx).text
    assert execute("read_file", {"path": "f"}, ctx).data["lines"] == 2
    assert execute("search_code", {"text": "needle"}, ctx).text.startswith("f:2: ")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_hunk("f", "+c\n", 2), "no line end"),
        (_hunk("f", " a\n+x\n\\ No newline at end of file\n"), "no line end"),
        (f"--- a/f\n+++ b/f\n@@ -{'1' * 5000} +1 @@\n-a\n+b\n", "no hunk header"),
        ("--- a/f\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n", "g exists already"),
        (_hunk("f", "-a\n+x\n") + "--- a/f\n+++ b/h\n@@ -1 +1 @@\n-a\n+b\n", "may appear once"),
        (_hunk("twice", "-a\n+b\n", 2), "found more than once"),
    ],
    ids=["behind an open line", "open line within", "number", "there already", "twice", "ambiguous"],
)
def test_a_patch_that_would_join_lines_or_lose_a_file_is_refused(change: str, said: str) -> None:
    there = {"f": "a\nb", "g": "kept\n", "twice": "a\nb\na\n"}

    def read(path: str) -> str:
        if path not in there:
            raise FileNotFoundError(path)
        return there[path]

    with pytest.raises(PatchError, match=said):
        apply_unified(change, read)


def test_hunks_with_wrong_numbers_are_sought_by_all_of_their_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "same\n" * 50 + "".join(f"same\nl{number}\n" for number in range(50))
    hunks = "".join(f"@@ -1,2 +1,2 @@\n same\n-l{number}\n+m{number}\n" for number in range(50))
    change = f"--- a/f\n+++ b/f\n{hunks}"
    assert apply_unified(change, {"f": text}.__getitem__) == {"f": text.replace("l", "m")}
    monkeypatch.setattr(patch, "MOST_SOUGHT", 10)
    with pytest.raises(PatchError, match="More than 10 hunks of f have a wrong line number"):
        apply_unified(change, {"f": text}.__getitem__)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_new("deep/er/new") + _new("ok.txt") + _new("ok.txt/sub"), "'ok.txt' is a link or no folder"),
        (_new("ok/sub") + _new("ok"), "'ok' is a folder"),
        (_new("ok.txt") + _new("n" * 300), "too long for a name"),
        (_new("ok.txt") + _new(f"{'n' * 300}/f"), "too long for a name"),
        (_new("ok.txt") + _new("./ok.txt"), "ok.txt appears more than once"),
    ],
    ids=["file as folder", "folder as file", "long name", "long folder", "two spellings"],
)
def test_what_is_refused_leaves_nothing_behind(ctx: ToolContext, change: str, said: str) -> None:
    tree = ctx.workspace.tree
    (tree / "a").write_text("one\n")
    (tree / "b").write_text("two\n")
    gone = "--- a/b\n+++ /dev/null\n@@ -1 +0,0 @@\n-two\n"
    refused = execute("apply_patch", {"patch": _hunk("a", "-one\n+1\n") + gone + change}, ctx)
    assert not refused.ok
    assert refused.text.startswith("Nothing was changed.")
    assert said in refused.text
    assert sorted(os.listdir(tree)) == ["a", "b"]
    assert [(tree / name).read_text() for name in "ab"] == ["one\n", "two\n"]


def test_a_full_disk_in_the_middle_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.sh").write_text("old\n")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "last").write_text("old\n")
    changes = {"run.sh": b"new\n", "gone": None, "x/y/z": b"new\n", "last": b"new\n"}
    real = confined_write

    def full(root: Path, path: str, *more: object) -> bool:
        if path == "last":
            raise PathRefused("'last' could not be written: No space left on device.")
        return real(root, path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(confined, "confined_write", full)
    with pytest.raises(PathRefused, match="No space left"):
        confined_change(tmp_path, changes)
    assert sorted(os.listdir(tmp_path)) == ["gone", "last", "run.sh"]
    assert [(tmp_path / name).read_text() for name in ("last", "run.sh")] == ["old\n", "old\n"]
    assert os.readlink(tmp_path / "gone") == "nowhere"
    monkeypatch.undo()
    confined_change(tmp_path, changes)
    assert sorted(os.listdir(tmp_path)) == ["last", "run.sh", "x"]
    assert (tmp_path / "run.sh").read_text() == "new\n"
    assert os.access(tmp_path / "run.sh", os.X_OK), "its mode is kept"


def test_a_path_is_refused_for_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, said in (
        ("n" * 256, "too long for a name"),
        (f"{'n' * 256}/f", "too long for a name"),
        ("a/" * 500 + "f", "at most 1000 characters"),
        ("file/f", "is a link or no folder"),
    ):
        for go in (
            lambda path=path: confined_read(tmp_path, path, 1),
            lambda path=path: confined_write(tmp_path, path, b""),
            lambda path=path: confined_remove(tmp_path, path),
        ):
            with pytest.raises(PathRefused, match=said):
                go()
    assert files.PATH["maxLength"] == confined.LONGEST_PATH


def test_searching_is_bounded_and_ends_with_its_run(ctx: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (ctx.workspace.tree / name).write_text(f"{KEY}needle {name}\n")
    asked: list[str] = []

    def noted(text: str) -> str:
        asked.append(text)
        return redact(text)

    monkeypatch.setattr(files, "redact", noted)
    assert execute("search_code", {"text": "MIIEabc"}, ctx).text == "Nothing found.", "what is hidden is not found"
    assert execute("search_code", {"text": "NEEDLE B"}, ctx).text == "b:4: needle b"
    assert len(asked) == 4, "a file without the text is not looked through for secrets"
    for bound in ("MAX_SEARCHED", "MAX_SHOWN"):
        with monkeypatch.context() as few:
            few.setattr(files, bound, 10)
            text = execute("search_code", {"text": "needle"}, ctx).text
        assert text.startswith("a:4: needle a\n[… Not every file was looked into: name a folder")
    stopped = threading.Event()
    stopped.set()
    gone = replace(ctx, cancel=stopped)
    assert execute("search_code", {"text": "needle"}, gone).data["count"] == 0
    assert not execute("apply_patch", {"patch": _hunk("a", "-x\n+y\n")}, gone).ok


def test_the_files_of_one_patch_are_bounded(ctx: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_PATCHED", 5)
    for name in ("a", "b"):
        (ctx.workspace.tree / name).write_text("one\n")
    change = _hunk("a", "-one\n+1\n") + _hunk("b", "-one\n+1\n")
    assert "more than 5 bytes together" in execute("apply_patch", {"patch": change}, ctx).text
    assert execute("apply_patch", {"patch": _hunk("a", "-one\n+1\n")}, ctx).ok
