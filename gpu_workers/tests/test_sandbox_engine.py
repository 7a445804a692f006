"""What is the container engine's own: images, refusals where it cannot be trusted, and that nothing of it is left anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from gpu_workers.reach import Reach, networks
from gpu_workers.repos import Workspace
from gpu_workers.sandbox import (
    KilledBy,
    RootInside,
    Sandbox,
    SandboxCommand,
    SandboxLimits,
    SandboxSettings,
    SandboxUnavailable,
    WallKind,
    engine,
    filtering,
)
from gpu_workers.sandbox.cgroups import PARENT, ROOT
from gpu_workers.tests.brought_image import make_image
from gpu_workers.tools import TaskBrief, ToolContext, offered_tools

pytestmark = pytest.mark.integration
podman_alone = pytest.mark.parametrize("sandbox", [WallKind.PODMAN], indirect=True)
MIB = 1024 * 1024
PODMAN = SandboxSettings(walls=WallKind.PODMAN)
IMAGE = "localhost/brought:1"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("images"), IMAGE)


def groups() -> list[str]:
    return [place.name for place in ROOT.glob(f"**/{PARENT}/*/")]


def engines() -> list[int]:
    names = {"podman", "conmon", "runc"}
    return [process.pid for process in psutil.process_iter(["name"]) if process.info["name"] in names]


def test_commands_run_in_the_image_that_the_owner_brought(images: Path, workspace: Path) -> None:
    box = Sandbox(replace(PODMAN, image=IMAGE, images=images))
    assert box.unavailable() is None
    before = sorted(images.rglob("*"))
    tried = (
        "cat /brought; env; ls /; touch /x /usr/x /data/x; mkdir /data/y; git --version > made; python3 -c 'print(6*7)'"
    )
    result = box.run(SandboxCommand(tried, workspace, env={"CI": "true"}))
    lines = result.output.splitlines()
    assert (lines[0], lines[-1], result.output.count("Read-only file system")) == ("by the owner", "42", 2)
    assert result.output.count("No such file") == 2, "the image's volume would have been writable"
    assert {"BROUGHT=yes", "CI=true", "PATH=/tools/bin:/usr/bin:/bin", "GIT_TERMINAL_PROMPT=0"} <= set(lines)
    assert "srv" not in lines, "nothing of the host's system"
    assert "git version" in (workspace / "made").read_text()
    assert sorted(images.rglob("*")) == before, "the store is only read"
    assert (box.program("git"), box.program("helm")) == ("/usr/bin/git", None)


def test_what_needs_more_than_an_engine_gives_is_not_offered(ground: Path) -> None:
    (ground / "tree").mkdir()
    (ground / "tree" / "Containerfile").write_text("FROM scratch\n")

    def offered(settings: SandboxSettings) -> set[str]:
        reach = Reach(lambda host, port: True, networks(""))
        ctx = ToolContext(Workspace(ground), Sandbox(settings), "qa", TaskBrief("Test"), "", reach=reach)
        devops = replace(ctx, role="devops")
        return {spec.name for spec in (*offered_tools(ctx), *offered_tools(devops))} & {"container_build", "browse"}

    assert offered(SandboxSettings()) == {"container_build", "browse"}
    assert offered(PODMAN) == {"browse"}
    assert offered(replace(PODMAN, image=IMAGE)) == set()


def test_an_image_that_is_not_there_is_not_fetched_and_nothing_runs(images: Path, workspace: Path) -> None:
    missing = Sandbox(replace(PODMAN, image="docker.io/library/brought:2", images=images))
    reason = missing.unavailable() or ""
    assert "image not known" in reason
    assert f"has to be in {images}" in reason
    with pytest.raises(SandboxUnavailable, match="not known"):
        missing.run(SandboxCommand("touch ran", workspace))
    assert os.listdir(workspace) == []


def test_without_an_engine_commands_are_refused(ground: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_engine", engine.find_engine.__wrapped__)
    for there, named in ((), "podman is not installed"), (("podman",), "runc is not installed"):
        for program in there:
            (ground / program).touch(mode=0o755)
        monkeypatch.setattr(engine, "SYSTEM_PATH", str(ground))
        broken = Sandbox(replace(PODMAN, runtime=ground, uid=65_533 - len(there)))
        assert named in (broken.unavailable() or "")
        with pytest.raises(SandboxUnavailable, match=named):
            broken.run(SandboxCommand("touch ran", workspace))
    assert os.listdir(workspace) == []


def test_an_engine_whose_walls_do_not_hold_is_refused(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lax = json.dumps({"defaultAction": "SCMP_ACT_ALLOW"})
    monkeypatch.setattr(engine, "call_filter", lambda: lax)
    assert "commands can make namespaces" in (Sandbox(replace(PODMAN, runtime=ground)).unavailable() or "")
    (ground / "filter.json").write_text(lax)
    for places, named in ((ground / "filter.json",), "allows what it does not name"), ((ground / "no",), "is missing"):
        with pytest.raises(SandboxUnavailable, match=named):
            filtering.call_filter(places)


@podman_alone
def test_an_engine_that_fails_gives_no_verdict(sandbox: Sandbox, workspace: Path, ground: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="podman did not run the command"):
        sandbox.run(SandboxCommand("exit 0", workspace, git_dir=ground / "missing"))
    with pytest.raises(SandboxUnavailable, match="cannot be shown"):
        sandbox.run(SandboxCommand("exit 0", workspace, git_dir=ground / 'a",b'))
    with pytest.raises(SandboxUnavailable, match="bubblewrap alone"):
        sandbox.run(SandboxCommand("exit 0", workspace, root=RootInside(200_000, 10)))
    for status in (125, 126, 127):
        assert sandbox.run(SandboxCommand(f"exit {status}", workspace)).exit_code == status


@podman_alone
def test_places_with_odd_names_are_shown_as_they_are(sandbox: Sandbox, ground: Path) -> None:
    place = sandbox.prepare_workspace(ground / "a,dst=/usr:ro b=c")
    assert sandbox.run(SandboxCommand("touch here", place)).ok
    assert os.listdir(place) == ["here"]


@podman_alone
def test_memory_that_addresses_do_not_show_is_limited_by_the_kernel(sandbox: Sandbox, workspace: Path) -> None:
    limits = SandboxLimits(memory=64 * MIB, data=1024**4)
    taking = ["python3", "-c", "x = b'x' * (200 * 1024 * 1024); print('took it')"]
    result = sandbox.run(SandboxCommand(taking, workspace, limits=limits))
    assert result.killed_by == KilledBy.MEMORY
    assert "took it" not in result.output


@podman_alone
def test_keys_are_not_kept_for_the_next_command(sandbox: Sandbox, workspace: Path) -> None:
    call = "import ctypes; c = ctypes.CDLL(None, use_errno=True); print(c.syscall({}), ctypes.get_errno())"
    add_key, keyctl = "248, b'user', b'left', b'secret', 6, -4", "250, 0, -4, 1"
    for asked in (add_key, keyctl):
        result = sandbox.run(SandboxCommand(["python3", "-c", call.format(asked)], workspace))
        assert result.output == "-1 38\n"


@podman_alone
def test_nothing_of_the_engine_is_left_not_even_of_a_killed_worker(sandbox: Sandbox, workspace: Path) -> None:
    source = (
        "import sys; from pathlib import Path; from gpu_workers.sandbox import *\n"
        "box = Sandbox(SandboxSettings(walls=WallKind.PODMAN))\n"
        "box.run(SandboxCommand('echo up; sleep 300', Path(sys.argv[1])),\n"
        "    lambda chunk: (sys.stdout.write(chunk.decode()), sys.stdout.flush()))\n"
    )
    with subprocess.Popen([sys.executable, "-c", source, str(workspace)], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"up\n"
        inside = [process.pid for process in psutil.Process(worker.pid).children(recursive=True)]
        assert len(inside) > 3
        assert set(inside) & set(engines())
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    gone = [psutil.Process(pid) for pid in inside if psutil.pid_exists(pid)]
    assert psutil.wait_procs(gone, 60)[1] == []
    # The kernel keeps its group; whoever runs the next command, beside this test as well, takes it away.
    assert sandbox.run(SandboxCommand("true", workspace)).ok
    assert [name for name in groups() if name.startswith((f"{worker.pid}-", f"{os.getpid()}-"))] == []
    assert str(engine.FOLDER) not in Path("/proc/self/mountinfo").read_text()
    assert os.listdir(engine.FOLDER) == []
