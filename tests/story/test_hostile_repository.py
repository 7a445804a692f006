"""A run in a repository that fights back: it is told what failed, and hands in the one file that it was asked for."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gpu_workers.folders import repository_folder
from gpu_workers.models import ChangeRequest, Run
from gpu_workers.repos.reading import head_of, ls_tree
from gpu_workers.repos.repository import (
    EXECUTABLE,
    LINK,
    REGULAR,
    SUBMODULE,
    TreeFile,
    commit_tree,
    update_branch,
    write_blob,
    write_tree,
)
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.scripts import planning, verdicts
from tests.story.test_bugfix_story import STORY
from tests.support.clients import program, signed_in, tokens_of
from tests.support.tenants import TestTenant
from tests.support.world import SHOP, World, scripted_model

pytestmark = pytest.mark.integration
NOTE = "notes/till.txt"
BOMB = b"""\
import os, time

made = 0
try:
    while made < 1000:
        if os.fork() == 0:
            time.sleep(300)
        made += 1
except OSError:
    pass
print("stopped after some", made < 1000)
"""
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 9000000000\n" % (b"4d" * 32)
FILL = "i=0; while true; do i=$((i+1)); head -c 60M /dev/zero > fill$i || exit 1; done"
PLANT = "mkdir -p nested && git init -q nested; cp hooks/pre-commit .git/hooks/ 2>&1; git config core.hooksPath hooks 2>&1; true"
SURROGATE = b"caf\xe9.txt"
SHOWN = "caf\ufffd.txt"


def fighting(folder: Path, outside: Path) -> str:
    """Put everything at once on the default branch: the commit. `outside` is a folder that must stay as it is."""
    git, touch = folder, b"#!/bin/sh\ntouch " + os.fsencode(outside / "ran") + b"\n"
    files = [
        (b"README", REGULAR, b"Notes.\n"),
        (b"bomb.py", REGULAR, BOMB),
        (b".gitattributes", REGULAR, b"*.bin filter=lfs diff=lfs merge=lfs -text\n"),
        (b".lfsconfig", REGULAR, b"[lfs]\n url = http://127.0.0.1:9/lfs\n"),
        (b"model.bin", REGULAR, POINTER),
        (b"huge.txt", REGULAR, b"line\n" * 2_000_000),
        (b"hooks/pre-commit", EXECUTABLE, touch),
        (b".gitmodules", REGULAR, b'[submodule "x"]\n path = x\n url = ext::sh -c touch\n'),
        (b"passwords", LINK, b"/etc/passwd"),
        (b"notes", LINK, os.fsencode(outside)),
        (SURROGATE, REGULAR, b"odd\n"),
    ]
    tree = [TreeFile(path, mode, write_blob(git, content)) for path, mode, content in files]
    tree.append(TreeFile(b"x", SUBMODULE, "5" * 40))
    base = head_of(git, "main")
    made = write_tree(git, tree, folder / "scratch-index")
    sha = commit_tree(git, made, [base], "Everything that hurts", SHOP, datetime(2026, 1, 2, tzinfo=UTC))
    update_branch(git, "main", sha, base)
    return sha


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("list_files", {}),
    ("read_file", {"path": "huge.txt"}),
    ("read_file", {"path": "passwords"}),
    ("read_file", {"path": "model.bin"}),
    ("write_file", {"path": NOTE, "content": "out of the tree"}),
    ("run_command", {"command": "python3 bomb.py"}),
    ("run_command", {"command": "yes endless"}),
    ("run_command", {"command": FILL}),
    ("run_command", {"command": "head -c 100M /dev/zero > too-large.bin"}),
    ("run_command", {"command": PLANT}),
    ("write_file", {"path": "till.txt", "content": "A note.\n"}),
    ("run_command", {"command": "for odd in caf*.txt; do echo more >> $odd; done"}),
    ("git_diff", {}),
    ("open_change_request", {"title": "The note is written", "description": "As asked."}),
]


def script() -> list[Rule]:
    acting = [
        {
            "when": {"contains": ["Carry the task out now."], "turns": turn},
            "reply": {"tool_calls": [{"name": name, "arguments": arguments}]},
        }
        for turn, (name, arguments) in enumerate(CALLS)
    ]
    return [*planning(), *acting, *verdicts()]


def test_a_run_outlives_a_repository_that_fights_back(tenant: TestTenant, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true")
    with tenant_scope(tenant.schema):
        base = fighting(repository_folder("till"), outside)
    with scripted_model(script()) as model:
        world.story(**STORY)
        world.settle()
        asked = json.dumps(model.asked)
    with tenant_scope(tenant.schema):
        run = Run.objects.get(kind="work")
        said = {step.key: str((step.response or {}).get("text")) for step in run.steps.filter(kind="tool")}
        change = ChangeRequest.objects.get()
        before, after = ls_tree(repository_folder("till"), base), ls_tree(repository_folder("till"), run.head_sha)
    assert run.state == "succeeded", world.told()
    told = [said[f"executor.{turn}.1"] for turn in range(1, len(CALLS))]
    assert "bomb.py" in told[0]
    assert "larger than" in told[1]
    assert "root:" not in "".join(told) + asked, "no file of the host was read"
    assert POINTER.decode() in told[3]
    assert "stopped after some True" in told[5]
    assert told[6].startswith("[ended by the output limit: 16384 KiB of output]")
    assert told[7].startswith("[ended by the disk limit: 512 MiB and 100,000 files and folders may be added]")
    assert "too-large.bin" in told[8]
    assert all("put back" in one for one in told[7:9]), "what cannot be kept is told, and does not end the run"
    assert list(outside.iterdir()) == []
    touched = ["till.txt", os.fsdecode(SURROGATE)]
    kept, were = ([entry for entry in tree if entry.path not in touched] for tree in (after, before))
    assert kept == were, "links, pointers and submodules are what they were"
    assert {os.fsencode(entry.path) for entry in after} == {*(os.fsencode(e.path) for e in before), b"till.txt"}
    assert [file["path"] for file in change.files] == [SHOWN, "till.txt"], "a name that is no text is shown with marks"
    assert f"+++ {SHOWN}" in told[12]
    member = tenant.member("viewer")
    viewer = signed_in(tenant, member)
    api = program(tenant, tokens_of(tenant, member)["access"])
    answer = api.get(f"/api/v1/changes/{change.number}/").json()
    assert [file["path"] for file in answer["diff"]] == [SHOWN, "till.txt"]
    assert SHOWN in viewer.get(f"/runs/{run.number}/").content.decode()
    at = f"/runs/{run.number}/files/"
    listed = viewer.get(at).content.decode()
    assert f'in commit <span class="mono">{run.head_sha[:12]}' in listed
    assert all(name in listed for name in ("till.txt", SHOWN, "submodule"))
    assert (
        'A link to <span class="mono">/etc/passwd</span>. It is not followed.'
        in viewer.get(f"{at}passwords").content.decode()
    )
    assert viewer.get(f"{at}notes/anything").status_code == 404
    assert viewer.get(f"{at}huge.txt").status_code == 413
