"""What `make up` says before it starts anything: each problem with what to do about it."""

import socket
from pathlib import Path

import pytest

from guildhall.embedded.preflight import problems
from guildhall.embedded.process import free_port

pytestmark = pytest.mark.integration


def test_a_machine_that_has_all_is_told_nothing(tmp_path: Path) -> None:
    assert problems(port=free_port(), folders=[tmp_path, tmp_path / "not" / "there" / "yet"]) == []


def test_a_port_that_is_taken_is_named_with_another(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (problem,) = problems(port=port, folders=[tmp_path])
        assert problem == f"Port {port} is taken by another program: choose another, `make up PORT={port + 1}`."
        assert problems(port=None, folders=[tmp_path]) == [], "who stops the stack is not asked about its port"


def test_a_machine_without_git_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = problems(port=None, folders=[tmp_path])
    assert "git is not installed: install it (Debian: apt-get install git)." in said


def test_a_sandbox_that_is_wanted_and_cannot_be_is_named_with_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUILDHALL_SANDBOX", "podman")
    assert problems(port=None, folders=[tmp_path]) == []
    monkeypatch.setenv("GUILDHALL_SANDBOX_IMAGE", "localhost/missing:1")
    monkeypatch.setenv("GUILDHALL_SANDBOX_IMAGES", str(tmp_path))
    (problem,) = problems(port=None, folders=[tmp_path])
    assert "localhost/missing:1: image not known" in problem
    assert f"has to be in {tmp_path}" in problem
    monkeypatch.setenv("GUILDHALL_SANDBOX", "docker")
    (problem,) = problems(port=None, folders=[tmp_path])
    assert problem == "GUILDHALL_SANDBOX is 'docker': set it to bubblewrap or podman, or leave it out."
