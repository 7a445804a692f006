"""Numbers and addresses that no program made: refused with the field and what is accepted, wherever they come from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gpu_workers.containers.lines import sources
from gpu_workers.diff_lines import lines_of
from gpu_workers.forges.addresses import checked_place
from gpu_workers.patches import check_patch
from gpu_workers.reach.querying import parameters
from gpu_workers.suite.form import BadSuite
from gpu_workers.suite.reading import read_suite
from guildhall.kernel.errors import Invalid

pytestmark = pytest.mark.unit
ENDLESS = "9" * 5000
"""More digits than Python reads as a decimal number."""


@pytest.mark.parametrize("head", [f"-1,{ENDLESS} +1", f"-{ENDLESS} +1", f"-1 +1,{'9' * 10}", f"-1 +{ENDLESS},1"])
def test_a_patch_of_endless_numbers_is_refused(head: str) -> None:
    with pytest.raises(Invalid, match="Line 3: numbers in the head of a hunk have at most 9 digits") as refused:
        check_patch(f"--- a/x\n+++ b/x\n@@ {head} @@\n-a\n+b\n")
    assert set(refused.value.fields) == {"patch"}


def test_a_diff_of_endless_numbers_is_shown() -> None:
    assert [line.kind for line in lines_of(f"@@ -{ENDLESS} +1 @@\n-a\n+b")] == ["del", "add"]


def test_lines_that_read_like_heads_of_files_and_hunks_are_lines() -> None:
    lines = list(lines_of("@@ -4,3 +4,3 @@ @@ -9 +9 @@\n--- a/x\n+++ b/x\n @@ -7 +7 @@\n-@@ -8 +8 @@\n+y\n"))
    assert [(line.kind, line.old, line.new, line.text) for line in lines[1:]] == [
        ("del", 4, 0, "-- a/x"),
        ("add", 0, 4, "++ b/x"),
        ("", 5, 5, "@@ -7 +7 @@"),
        ("del", 6, 0, "@@ -8 +8 @@"),
        ("add", 0, 6, "y"),
    ]


@pytest.mark.parametrize(
    "url", ["https://[", "https://[::1", "https://ex\N{ACCOUNT OF}mple.com/", "https://example.com:70000", "//["]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match=r"Give an address like https://api\.github\.com") as refused:
        checked_place(url, loopback=False)
    assert set(refused.value.fields) == {"api_url"}


@pytest.mark.parametrize("port", ["9" * 20, "70000", "0", ENDLESS])
def test_a_database_at_no_port_is_refused(port: str) -> None:
    with pytest.raises(Invalid) as refused:
        parameters(f"postgresql://reader:word@db.example:{port}/shop", ())
    assert refused.value.fields == {"address": ["Give one host by name, and its port between 1 and 65535."]}


def test_a_database_in_our_own_network_is_refused_by_the_field_it_was_given_in() -> None:
    with pytest.raises(Invalid) as refused:
        parameters("postgresql://reader:word@127.0.0.1:5432/shop", ())
    assert refused.value.fields == {"address": ["127.0.0.1 is not a public host."]}


def test_a_copy_of_what_nests_endlessly_is_a_copy_of_that_name() -> None:
    assert sources("[" * 100_000) == ["[" * 100_000]


TASK = {
    "title": '"Mend the sum of numbers"',
    "statement": '"The sum function is wrong for two numbers; mend it."',
    "acceptance": '["The sum of two numbers is right."]',
    "test": '"python3 -m unittest"',
}
PLAIN = "it has to be a plain file of at most 1048576 bytes."
ODD_PATH = "its path has more than 1,000 characters, a backslash, a ~ in front or a .git in it."


def _task(place: Path, **changed: str) -> Path:
    (place / "repository").mkdir(parents=True)
    (place / "repository" / "test_a.py").write_text("")
    (place / "task.toml").write_text("".join(f"{name} = {said}\n" for name, said in (TASK | changed).items()))
    return place


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"title": r'"Mend\u0000 it"'}, "title: Text must not hold null characters or lone surrogates."),
        ({"test": r'"true\u0000"'}, "test: Text must not hold null characters or lone surrogates."),
        ({"title": '"      "'}, "title: String should have at least 5 characters."),
        ({"test": f'"{"x" * 401}"'}, "test: String should have at most 400 characters."),
        ({"x": "[" * 3000 + "]" * 3000}, "it is not TOML: it nests too deep."),
        ({"budget_usd": ENDLESS}, "it is not TOML: Exceeds the limit"),
    ],
    ids=["title", "test", "blank", "long", "deep", "endless"],
)
def test_a_task_that_says_what_cannot_be_kept_is_refused(tmp_path: Path, changed: dict[str, str], said: str) -> None:
    _task(tmp_path / "fix-it", **changed)
    with pytest.raises(BadSuite) as refused:
        read_suite(tmp_path)
    assert [problem[: len(said) + 18] for problem in refused.value.problems] == [f"fix-it/task.toml: {said}"]


def test_what_is_no_plain_file_or_has_no_path_is_listed_and_waited_for_by_nobody(tmp_path: Path) -> None:
    folder, pipe, link = (_task(tmp_path / name) / "task.toml" for name in ("a-folder", "b-pipe", "c-link"))
    for place in (folder, pipe, link):
        place.unlink()
    folder.mkdir()
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")
    odd = _task(tmp_path / "d-paths") / "repository"
    deep = odd.joinpath(*["d" * 50] * 20)
    deep.mkdir(parents=True)
    for place in (odd / "a\\b.py", odd / "~a.py", deep / "x.py"):
        place.touch()
    with pytest.raises(BadSuite) as refused:
        read_suite(tmp_path)
    assert refused.value.problems == [
        f"a-folder/task.toml: {PLAIN}",
        f"b-pipe/task.toml: {PLAIN}",
        f"c-link/task.toml: {PLAIN}",
        f"d-paths/repository/a\\b.py: {ODD_PATH}",
        f"d-paths/repository/{'/'.join(['d' * 50] * 20)[:200]}: {ODD_PATH}",
        f"d-paths/repository/~a.py: {ODD_PATH}",
    ]
    with pytest.raises(BadSuite, match="there is no such folder, or it cannot be read: File name too long"):
        read_suite(tmp_path / ("x" * 300))


INCIDENT = {
    "title": "The disk is full", "parts": ["shop", "disk"], "files": [{"name": "disk.log", "kind": "log"}], "failed": "disk",
    "proof": [{"file": "disk.log", "line": 1, "quote": "full"}], "remedy": "Empty it.",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"title": "The\0disk"}, "incident.json: title: Text must not hold null characters or lone surrogates."),
        ({"parts": ["disk", "disk "]}, "incident.json: parts: Name at least two that are not the same."),
        ({"files": INCIDENT["files"] * 2}, "incident.json: files: Each can be named once."),  # type: ignore[operator]
        (None, f"incident.json: {PLAIN}"),
    ],
    ids=["null", "parts", "files", "pipe"],
)
def test_an_incident_that_nobody_could_open_is_refused(
    tmp_path: Path, changed: dict[str, object] | None, said: str
) -> None:
    place = tmp_path / "disk-full"
    place.mkdir()
    (place / "disk.log").write_text("full\n")
    if changed is None:
        os.mkfifo(place / "incident.json")
    else:
        (place / "incident.json").write_text(json.dumps(INCIDENT | changed))
    with pytest.raises(BadSuite) as refused:
        read_suite(tmp_path)
    assert refused.value.problems == [f"disk-full/{said}"]


@pytest.mark.parametrize("content", ["", "full\0"], ids=["empty", "null"])
def test_evidence_that_is_no_text_is_refused(tmp_path: Path, content: str) -> None:
    place = tmp_path / "disk-full"
    place.mkdir()
    (place / "disk.log").write_text(content)
    (place / "incident.json").write_text(json.dumps(INCIDENT))
    with pytest.raises(BadSuite) as refused:
        read_suite(tmp_path)
    assert refused.value.problems[0] == "disk-full/disk.log: it has to be a text that holds something."
