"""Reports, secrets and paths as an adversary would write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpu_workers.ci import ReportError, parse_junit
from gpu_workers.ci import TestStatus as Status
from gpu_workers.confined import PathRefused, confined_files, confined_read, confined_remove, confined_write
from guildhall.kernel.redaction import redact

pytestmark = pytest.mark.unit


def test_junit_of_the_common_writers_is_read() -> None:
    report = b"""<?xml version="1.0"?><testsuites><testsuite name="s">
      <testcase classname="a.B" name="ok" time="1.5"><system-out>noise</system-out></testcase>
      <testcase classname="a.B" name="bad"><failure message="m &amp; n" type="E">line 1\nline 2</failure></testcase>
      <testcase classname="a.B" name="broken"><error message="boom"/></testcase>
      <testcase classname="a.B" name="later" time="x"><skipped/></testcase></testsuite></testsuites>"""
    ok, bad, broken, later = parse_junit(report)
    assert (ok.status, ok.suite, ok.duration_s, ok.message) == (Status.PASSED, "a.B", 1.5, "")
    assert (bad.status, bad.message) == (Status.FAILED, "m & n\nline 1\nline 2")
    assert (broken.status, broken.message) == (Status.ERROR, "boom")
    assert (later.status, later.duration_s) == (Status.SKIPPED, 0.0)


@pytest.mark.parametrize(
    "report",
    [
        b"not xml",
        b"<a><b></a>",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b"<a>" * 100 + b"</a>" * 100,
        b"<t>" + b"<testcase/>" * 30_000 + b"</t>",
        b" " * (9 * 1024 * 1024),
    ],
    ids=["text", "broken", "entity", "deep", "many", "big"],
)
def test_a_bad_report_is_refused(report: bytes) -> None:
    with pytest.raises(ReportError):
        parse_junit(report)


@pytest.mark.parametrize("encoding", ["foo", "rot13", "hex", "utf-7", "big5", "idna", "undefined", "punycode"])
def test_a_report_that_names_an_encoding_of_its_own_is_refused_like_any_other(encoding: str) -> None:
    report = f'<?xml version="1.0" encoding="{encoding}"?><testsuite><testcase name="a"/></testsuite>'
    with pytest.raises(ReportError, match="an encoding that is not read here; UTF-8 is"):
        parse_junit(report.encode())


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "11ABCDEFG0_" * 4,
        "sk-" + "proj-abcdefghij0123456789",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\ncut off",
        "Authorization: Bearer " + "abcdef0123456789xyz",
        "postgres://app:s3cr3t-word@db/shop",
        "password=hunter2hunter2",
        '"api_key": "0123456789abcdef"',
        "DJANGO_SECRET_KEY=correcthorse",
    ],
)
def test_secrets_are_redacted_and_the_rest_stays(secret: str) -> None:
    shown = redact(f"before {secret}\nafter")
    assert "[redacted]" in shown
    assert shown.startswith("before ")
    for part in (
        "IOSFODNN7",
        "a1B2a1B2",
        "11ABCDEFG0",
        "abcdefghij0123",
        "MIIE",
        "cut off",
        "abcdef0123",
        "s3cr3t-word",
    ):
        assert part not in shown
    for part in ("hunter2", "0123456789abcdef", "correcthorse"):
        assert part not in shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "password = read_password()",
        "def check(secret: SecretStr) -> None:",
        "https://example.org/a:b",
        "The bearer of good news",
        "token count: 12",
        "sha 0cc3e2c7f1b2c3d4e5f60718293a4b5c6d7e8f90",
    ],
)
def test_code_and_prose_are_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "~/x", ".git/config", "a/.GIT/x", "", "a\0b", "a\\b"]
)
def test_a_path_out_of_the_tree_is_refused(tmp_path: Path, path: str) -> None:
    for go in (lambda: confined_read(tmp_path, path, 10), lambda: confined_write(tmp_path, path, b"x")):
        with pytest.raises(PathRefused):
            go()


def test_links_are_not_followed(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    tree.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("tok-6f1c")
    (tree / "file").symlink_to(outside / "secret")
    (tree / "folder").symlink_to(outside)
    os.mkfifo(tree / "pipe")
    for path in ("file", "folder/secret", "pipe"):
        with pytest.raises(PathRefused):
            confined_read(tree, path, 100)
    for path in ("file", "folder/planted", "folder/deep/planted"):
        with pytest.raises(PathRefused):
            confined_write(tree, path, b"x")
    assert sorted(os.listdir(outside)) == ["secret"]
    assert (outside / "secret").read_text() == "tok-6f1c"
    assert confined_files(tree) == []
    confined_remove(tree, "file")
    assert (outside / "secret").exists()


def test_files_are_written_whole_and_keep_their_mode(tmp_path: Path) -> None:
    assert confined_write(tmp_path, "a/b/run.sh", b"one")
    (tmp_path / "a/b/run.sh").chmod(0o755)
    assert not confined_write(tmp_path, "./a//b/run.sh", b"two")
    assert confined_read(tmp_path, "a/b/run.sh", 100) == b"two"
    assert os.access(tmp_path / "a/b/run.sh", os.X_OK)
    assert confined_files(tmp_path) == ["a/b/run.sh"]
    assert confined_files(tmp_path, "a") == ["a/b/run.sh"]
