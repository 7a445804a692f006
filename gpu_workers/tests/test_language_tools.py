"""A language server on a real workspace, in a real sandbox: what it finds, and what a workspace cannot have it do."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from governance.policies.document_sections import Files
from gpu_workers.languages import EditError, LanguageError, Question, ask, asking, edited, places
from gpu_workers.languages.asking import copied
from gpu_workers.languages.edits import edits_by_path
from gpu_workers.repos import Signature, clone_workspace, create_repository
from gpu_workers.sandbox import Sandbox, SandboxSettings
from gpu_workers.tools import TaskBrief, ToolContext, ToolRefused, execute, offered_tools

pytestmark = pytest.mark.integration

WHO, NOON = Signature("Mason", "mason@agents.example"), datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FILES = {
    "shop/__init__.py": b"",
    "shop/sums.py": b"def total(x: int) -> int:\n    return x + 1\n",
    "shop/tills.py": "from shop.sums import total\n\nnäme = '😀'; print(total(1), total('x'))\n".encode(),
    "keys/secrets.py": b"from shop.sums import total\n\npassword = 'hunter2hunter2'; total(3)\n",
    "README.md": b"# Shop\n",
}


@pytest.fixture
def ctx(ground: Path, sandbox: Sandbox) -> ToolContext:
    box = Sandbox(SandboxSettings(runtime=ground))
    base = create_repository(ground / "x.git", FILES, WHO, NOON)
    workspace = clone_workspace(ground / "x.git", ground / "ws", "work", base)
    box.prepare_workspace(workspace.tree)
    denied = Files(allow=["**"], deny=["keys/**"])
    return ToolContext(workspace, box, "developer", TaskBrief("Rename"), base, files=denied)


def test_definitions_uses_and_mistakes_are_found(ctx: ToolContext) -> None:
    where = {"path": "shop/tills.py", "line": 3, "name": "total"}
    assert execute("definition", where, ctx).text == "shop/sums.py:1: def total(x: int) -> int:"
    used = execute("references", where, ctx).text.splitlines()
    assert [line.partition(": ")[0] for line in used] == ["shop/sums.py:1", "shop/tills.py:1", "shop/tills.py:3"]
    assert "hunter2" not in "".join(used)
    wrong = execute("diagnostics", {"path": "shop/tills.py"}, ctx).text
    assert wrong.startswith("shop/tills.py:3: ")
    assert "invalid-argument-type" in wrong
    assert not execute("definition", {**where, "line": 900}, ctx).ok
    assert not execute("diagnostics", {"path": "README.md"}, ctx).ok
    assert {"definition", "rename"} <= {spec.name for spec in offered_tools(ctx)}


def test_renaming_changes_every_use_and_shows_the_change(ctx: ToolContext) -> None:
    open_ctx = replace(ctx, files=Files(allow=["**"], deny=[]))
    wish = {"path": "shop/sums.py", "line": 1, "name": "total", "new_name": "summed"}
    result = execute("rename", wish, open_ctx)
    assert result.ok
    assert result.data["paths"] == ["keys/secrets.py", "shop/sums.py", "shop/tills.py"]
    assert "+näme = '😀'; print(summed(1), summed('x'))" in result.text
    assert "hunter2" not in result.text
    tree = ctx.workspace.tree
    assert (tree / "shop/sums.py").read_text().startswith("def summed(")
    assert (tree / "keys/secrets.py").read_text().endswith("'hunter2hunter2'; summed(3)\n")
    assert execute("run_command", {"command": "touch shop/sums.py && git diff --stat"}, open_ctx).ok
    for name in ("two words", "x\n", "1st", "a.b"):
        assert not execute("rename", {**wish, "name": "summed", "new_name": name}, open_ctx).ok


def test_renaming_is_refused_whole_where_one_file_may_not_be_changed(ctx: ToolContext) -> None:
    wish = {"path": "shop/sums.py", "line": 1, "name": "total", "new_name": "summed"}
    with pytest.raises(ToolRefused) as caught:
        execute("rename", wish, ctx)
    assert caught.value.kind == "path"
    outside = {"path": "shop/tills.py", "line": 3, "name": "print", "new_name": "say"}
    assert not execute("rename", outside, replace(ctx, files=Files(allow=["**"], deny=[]))).ok
    assert execute("git_diff", {}, ctx).text == "Nothing has changed."


@pytest.mark.parametrize("path", ["../x.py", "/etc/hosts.py", ".git/hooks.py", "keys/secrets.py"])
def test_paths_outside_the_bounds_are_refused(ctx: ToolContext, path: str) -> None:
    for name, more in (("diagnostics", {}), ("definition", {"line": 1, "name": "x"})):
        with pytest.raises(ToolRefused) as caught:
            execute(name, {"path": path, **more}, ctx)
        assert caught.value.kind == "path"


def test_links_and_what_is_behind_them_stay_unread(ctx: ToolContext, ground: Path) -> None:
    (ground / "secret.py").write_text("tok_6f1c = 1\ntok_6f1c + ''\n")
    execute("run_command", {"command": f"ln -s {ground}/secret.py way.py; ln -s ../keys/secrets.py shop/way.py"}, ctx)
    for path in ("way.py", "shop/way.py"):
        result = execute("diagnostics", {"path": path}, ctx)
        assert not result.ok
        assert "tok_6f1c" not in result.text


def test_a_repository_cannot_put_a_program_in_the_servers_place(ctx: ToolContext) -> None:
    """What the interpreter or the server would load from the folder it works in is data to them."""
    planted = "open('/workspace/planted', 'w').write('x')\n"
    for path in ("json.py", "subprocess.py", "sitecustomize.py", "ty", "programs/ty"):
        assert execute("write_file", {"path": path, "content": planted}, ctx).ok
    assert execute("run_command", {"command": "chmod +x ty programs/ty"}, ctx).ok
    assert execute("diagnostics", {"path": "shop/sums.py"}, ctx).ok
    assert not (ctx.workspace.tree / "planted").exists()
    touched = execute("run_command", {"command": "ls /programs"}, ctx)
    assert not touched.ok


def test_a_stopped_run_takes_its_language_server_with_it(ctx: ToolContext) -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(LanguageError, match="cancel"):
        ask(ctx.sandbox, ctx.workspace.tree, Question("diagnostics", "shop/sums.py"), stopped)


@pytest.mark.parametrize(
    ("program", "few", "said"),
    [
        ("while :; do :; done", {"cpu_s": 1}, "the cpu limit: 1 seconds of processor time of each process"),
        ("sleep 99", {"wall_s": 0.5}, "the wall limit: 0.5 seconds"),
        ("yes 'a note' > /workspace/notes", {"disk": 1024**2}, "the disk limit: 1 MiB"),
    ],
)
def test_a_server_that_meets_a_limit_says_which(
    ctx: ToolContext, ground: Path, monkeypatch: pytest.MonkeyPatch, program: str, few: dict[str, Any], said: str
) -> None:
    server = ground / "server"
    server.write_text(f"#!/bin/sh\n{program}\n")
    server.chmod(0o755)
    monkeypatch.setattr(asking, "find_program", lambda name, settings: server)
    monkeypatch.setattr(asking, "LIMITS", replace(asking.LIMITS, **few))
    told = execute("diagnostics", {"path": "shop/sums.py"}, ctx)
    assert (told.ok, f"gave no answer: ended by {said}" in told.text) == (False, True), told.text


def _change(*spans: tuple[int, int, int, int], uri: str = "file:///workspace/a.py") -> dict[str, Any]:
    edits = [
        {"range": {"start": {"line": a, "character": b}, "end": {"line": c, "character": d}}, "newText": "X"}
        for a, b, c, d in spans
    ]
    return {"changes": {uri: edits}}


def test_answers_of_a_server_are_judged_before_they_are_used() -> None:
    good = edits_by_path(_change((0, 3, 0, 4), (1, 0, 1, 1)))
    assert edited("😀 a\nb\n", good["a.py"]) == "😀 X\nX\n"
    for bad in (
        _change((0, 0, 0, 2), (0, 1, 0, 3)),
        _change((7, 0, 7, 0)),
        _change((0, 90, 0, 91)),
        _change((0, 2, 0, 1)),
    ):
        with pytest.raises(EditError):
            edited("abcd\n", edits_by_path(bad)["a.py"])
    with pytest.raises(EditError, match="create"):
        edits_by_path({"documentChanges": [{"kind": "create", "uri": "file:///workspace/x"}]})
    broken: list[Any] = [None, [], "x", {"changes": [1]}, {"changes": {"file:///workspace/a.py": [{}]}}]
    for garbled in broken:
        with pytest.raises(EditError):
            edits_by_path(garbled)
    for uri in ("file:///etc/passwd", "http://x/workspace/a", "file://h/workspace/a.py", "/workspace/a.py"):
        assert list(edits_by_path(_change((0, 0, 0, 1), uri=uri))) == [""]
    assert list(edits_by_path(_change(uri="file:///workspace/%2e%2e/x"))) == ["../x"]
    with pytest.raises(EditError):
        places([{"uri": 3}])


def test_a_server_that_the_sandboxed_user_cannot_reach_is_copied_once(ground: Path) -> None:
    program = ground / "far" / "ty"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    copies = [copied(program, ground / "runtime") for _ in range(2)]
    assert copies[0] == copies[1]
    assert copies[0].stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (ground / "runtime").iterdir()] == [copies[0].name]
