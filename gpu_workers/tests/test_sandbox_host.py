"""Where the sandbox's program is found, for which user, and what a machine without a usable one is told."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gpu_workers.sandbox import (
    KilledBy,
    Sandbox,
    SandboxCommand,
    SandboxResult,
    SandboxSettings,
    SandboxUnavailable,
    WallKind,
    host,
)
from gpu_workers.sandbox.host import namespace_fix

pytestmark = pytest.mark.integration


def test_without_a_sandbox_commands_are_refused(workspace: Path) -> None:
    broken = Sandbox(SandboxSettings(bwrap=Path("/usr/bin/false")))
    assert broken.unavailable()
    with pytest.raises(SandboxUnavailable):
        broken.run(SandboxCommand("touch ran", workspace))
    assert "not installed" in (Sandbox(SandboxSettings(bwrap=Path("/nowhere/bwrap"))).unavailable() or "")
    assert not (workspace / "ran").exists()


def test_a_host_that_lacked_something_when_it_was_tried_is_tried_again(ground: Path, sandbox: Sandbox) -> None:
    later = ground / "later"
    box = Sandbox(replace(sandbox.settings, runtime=later))
    assert str(later) in (box.unavailable() or "")
    later.mkdir(mode=0o755)
    assert box.unavailable() is None
    shutil.rmtree(later)
    assert box.unavailable() is None, "what held once is not tried with each command"


def test_what_an_image_has_is_not_concluded_from_a_question_that_was_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = SandboxResult(None, "", truncated=False, timed_out=True, killed_by=KilledBy.WALL, duration_s=20.0)
    answers = [ended, replace(ended, exit_code=0, output="/usr/bin/git\n", timed_out=False, killed_by=None)]
    monkeypatch.setattr("gpu_workers.sandbox.sandbox._tried", lambda *_: answers.pop(0))
    box = Sandbox(SandboxSettings(walls=WallKind.PODMAN, image="never.example/asked:1"))
    with pytest.raises(SandboxUnavailable, match="could not be asked for git"):
        box.program("git")
    assert [box.program("git"), box.program("git")] == ["/usr/bin/git"] * 2


def test_a_workspace_below_a_closed_folder_serves_its_own_user_alone(ground: Path, sandbox: Sandbox) -> None:
    closed = ground / "home"
    closed.mkdir(mode=0o700)
    if sandbox.owner is None:  # an ordinary user, whose commands run as that user
        result = sandbox.run(SandboxCommand("touch here", sandbox.prepare_workspace(closed / "work")))
        assert (result.ok, (closed / "work" / "here").exists()) == (True, True)
    else:
        with pytest.raises(PermissionError, match="cannot reach"):
            sandbox.prepare_workspace(closed / "work")


def test_a_bwrap_inside_a_closed_home_is_copied_to_where_it_can_be_run(
    ground: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "SYSTEM_PATH", str(ground))
    monkeypatch.setattr(host, "reachable", lambda path, uid, gid: path.is_relative_to(ground))
    found = host.find_bwrap(SandboxSettings(runtime=ground / "runtime"))
    assert found.is_relative_to(ground / "runtime") == (sandbox.owner is not None)  # one's own home needs no copy
    monkeypatch.undo()
    box = Sandbox(SandboxSettings(bwrap=found))
    assert box.unavailable() is None


@pytest.mark.parametrize(
    ("knob", "value", "fix"),
    [
        ("kernel/unprivileged_userns_clone", "0\n", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1\n", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("user/max_user_namespaces", "0\n", "sysctl -w user.max_user_namespaces="),
    ],
)
def test_a_machine_that_forbids_namespaces_is_told_how_to_allow_them(
    tmp_path: Path, knob: str, value: str, fix: str
) -> None:
    (tmp_path / knob).parent.mkdir()
    (tmp_path / knob).write_text(value)
    assert fix in namespace_fix(tmp_path)
    (tmp_path / knob).write_text("1000\n" if value == "0\n" else "0\n")
    assert "sysctl" not in namespace_fix(tmp_path)
