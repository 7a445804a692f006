"""What a command can do inside the sandbox, and every way out of it that we know of, tried for real."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

import psutil
import pytest

from gpu_workers.sandbox import (
    KilledBy,
    Sandbox,
    SandboxCommand,
    SandboxLimits,
    SandboxResult,
    SandboxUnavailable,
    WallKind,
)

pytestmark = [pytest.mark.integration, pytest.mark.parametrize("sandbox", list(WallKind), indirect=True)]

MIB = 1024 * 1024
Run = Callable[..., SandboxResult]


@pytest.fixture
def run(sandbox: Sandbox, workspace: Path) -> Run:
    def go(argv: str | list[str], **limits: float) -> SandboxResult:
        bounds = SandboxLimits(**{"wall_s": 60.0, **limits})  # type: ignore[arg-type]
        return sandbox.run(SandboxCommand(argv, workspace, limits=bounds))

    return go


def python(source: str) -> list[str]:
    return ["python3", "-c", source]


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    pause, deadline = threading.Event(), monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.02)


def running(word: str) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if word in " ".join(process.info["cmdline"] or []):
            found.append(process.pid)
    return found


def test_a_command_works_in_its_workspace(run: Run, workspace: Path) -> None:
    result = run("python3 -c 'print(6*7)' > answer && git --version && cat answer && exit 3")
    assert result.exit_code == 3
    assert "git version" in result.output
    assert result.output.endswith("42\n")
    assert (workspace / "answer").read_text() == "42\n"
    assert result.killed_by is None


def test_output_is_streamed_while_it_runs(sandbox: Sandbox, workspace: Path) -> None:
    first, cancel = threading.Event(), threading.Event()
    chunks: list[bytes] = []

    def heard(chunk: bytes) -> None:
        chunks.append(chunk)
        first.set()
        cancel.set()

    result = sandbox.run(SandboxCommand("echo one; sleep 60; echo two", workspace), heard, cancel)
    assert first.is_set()
    assert b"".join(chunks) == b"one\n"
    assert result.killed_by == KilledBy.CANCEL
    assert result.exit_code is None


def test_nothing_outside_the_workspace_can_be_written(run: Run) -> None:
    places = ["/usr/x", "/etc/x", "/x", "/dev/x", "/proc/sys/kernel/hostname", "/sys/x", "/run/x", "/var/x", "/root/x"]
    result = run(
        python(
            f"for place in {places!r}:\n"
            "    try:\n"
            "        open(place, 'w').write('x')\n"
            "        print('WROTE', place)\n"
            "    except OSError as problem:\n"
            "        print(problem.strerror)\n"
        )
    )
    assert set(result.output.splitlines()) <= {
        "Read-only file system",
        "Permission denied",
        "No such file or directory",
    }
    assert [place for place in places if os.access(place, os.R_OK) and Path(place).read_text() == "x"] == []


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_secret_of_the_host_cannot_be_read(run: Run, ground: Path, workspace: Path, mode: int) -> None:
    secret = ground / "secret"
    secret.write_text("tok-6f1c")
    secret.chmod(mode)
    (workspace / "link").symlink_to(secret)
    result = run(
        f"cat {secret}; cat link; cat /workspace/../secret; cat /proc/1/root{secret}; ls {ground}; cat /etc/shadow"
    )
    assert "tok-6f1c" not in result.output
    assert "root:" not in result.output
    assert result.exit_code != 0


def test_a_link_out_of_the_workspace_writes_nothing_outside(run: Run, ground: Path, workspace: Path) -> None:
    (workspace / "out").symlink_to(ground)
    result = run(f"echo gone > out/planted; mkdir -p {ground} && echo gone > {ground}/planted")
    assert "cannot create out/planted" in result.output
    assert not (ground / "planted").exists()


def test_the_repository_is_read_only_and_its_place_leads_nowhere(
    sandbox: Sandbox, ground: Path, workspace: Path
) -> None:
    (ground / "git" / "hooks").mkdir(parents=True)
    tried = "echo evil > .git/hooks/pre-commit; rm -rf .git; mv .git gone; ls -d .git/hooks; touch here"
    result = sandbox.run(SandboxCommand(tried, workspace, git_dir=ground / "git"))
    assert (result.output.count("Read-only"), result.output.splitlines()[-1]) == (2, ".git/hooks")
    (workspace / ".git").rmdir()
    (workspace / ".git").symlink_to(ground)
    with suppress(SandboxUnavailable):
        sandbox.run(SandboxCommand("echo evil > .git/planted; ls .git/", workspace, git_dir=ground / "git"))
    assert sorted(os.listdir(ground)) == ["git", "workspace"]
    assert [os.listdir(ground / "git"), os.listdir(ground / "git" / "hooks")] == [["hooks"], []]


def test_the_database_cannot_be_reached_by_tcp_or_by_socket(run: Run, ground: Path, workspace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(ground / "pg.sock"))
        unix.listen()
        (ground / "pg.sock").chmod(0o777)
        (workspace / "sock").symlink_to(ground / "pg.sock")
        port = tcp.getsockname()[1]
        result = run(
            python(
                "import socket\n"
                "def tried(family, address):\n"
                "    try:\n"
                "        socket.socket(family).connect(address)\n"
                "    except OSError as problem:\n"
                "        return type(problem).__name__\n"
                "    return 'CONNECTED'\n"
                f"print(tried(socket.AF_INET, ('127.0.0.1', {port})))\n"
                f"print(tried(socket.AF_UNIX, {str(ground / 'pg.sock')!r}))\n"
                "print(tried(socket.AF_UNIX, '/workspace/sock'))\n"
            )
        )
    assert result.ok
    assert "CONNECTED" not in result.output
    assert result.output.split() == ["ConnectionRefusedError", "FileNotFoundError", "FileNotFoundError"]


def test_an_abstract_socket_of_the_host_cannot_be_reached(run: Run) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"\0guildhall-{os.getpid()}")
        unix.listen()
        result = run(python(f"import socket; socket.socket(socket.AF_UNIX).connect('\\0guildhall-{os.getpid()}')"))
    assert "ConnectionRefusedError" in result.output


def test_there_is_no_internet_and_no_name_service(run: Run) -> None:
    result = run(
        python(
            "import socket\n"
            "for go in (lambda: socket.create_connection(('192.0.2.1', 443), 3),\n"
            "           lambda: socket.create_connection(('8.8.8.8', 53), 3),\n"
            "           lambda: socket.getaddrinfo('example.org', 443)):\n"
            "    try:\n"
            "        go()\n"
            "        print('REACHED')\n"
            "    except OSError as problem:\n"
            "        print('no')\n"
            "print(socket.if_nameindex())\n"
        )
    )
    assert result.output.splitlines() == ["no", "no", "no", "[(1, 'lo')]"]


def test_a_fork_bomb_is_stopped_and_leaves_nothing(run: Run) -> None:
    source = (
        "import os, time\n"
        "made = 0\n"
        "try:\n"
        "    while made < 1000:\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(300)\n"
        "        made += 1\n"
        "except OSError:\n"
        "    pass\n"
        "print('made', made, 'guildhall-bomb')\n"
    )
    result = run(python(source), processes=50)
    made = int(result.output.split()[1])
    assert 20 < made < 50
    wait_until(lambda: not running("guildhall-bomb"))


def test_two_sandboxes_do_not_share_the_limit_on_processes(run: Run, sandbox: Sandbox, ground: Path) -> None:
    started, cancel = threading.Event(), threading.Event()
    other = SandboxCommand(
        "for i in $(seq 40); do sleep 60 & done; echo up; wait",
        sandbox.prepare_workspace(ground / "other"),
        limits=SandboxLimits(processes=50),
    )
    thread = threading.Thread(target=sandbox.run, args=(other, lambda _: started.set(), cancel))
    thread.start()
    try:
        assert started.wait(60)
        result = run("for i in $(seq 40); do sleep 0.1 & done; wait; echo all", processes=50)
    finally:
        cancel.set()
        thread.join()
    assert result.output == "all\n"


def test_one_file_cannot_grow_past_its_limit(run: Run, workspace: Path) -> None:
    result = run("head -c 50M /dev/zero > big; echo $?", file_size=4 * MIB)
    assert (workspace / "big").stat().st_size == 4 * MIB
    assert result.output.strip() != "0"


def test_filling_the_disk_ends_the_command(run: Run, workspace: Path) -> None:
    result = run("i=0; while true; do i=$((i+1)); head -c 2M /dev/zero > f$i || exit 1; done", disk=40 * MIB)
    assert result.killed_by == KilledBy.DISK
    assert result.exit_code is None


def test_memory_backed_places_have_a_size(run: Run) -> None:
    for place in ("/tmp", "/dev/shm"):  # noqa: S108
        result = run(f"head -c 60M /dev/zero > {place}/big", scratch=8 * MIB)
        assert result.exit_code != 0
        assert "No space left" in result.output


def test_a_process_cannot_take_more_memory_than_allowed(run: Run) -> None:
    result = run(python("x = bytearray(900 * 1024 * 1024); print('took it')"), memory=256 * MIB)
    assert "MemoryError" in result.output
    assert "took it" not in result.output


def test_many_processes_together_cannot_take_more_memory_either(run: Run) -> None:
    source = (
        "import os, time\n"
        "for _ in range(8):\n"
        "    if os.fork() == 0:\n"
        "        x = bytearray(b'x') * (60 * 1024 * 1024)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    assert run(python(source), memory=200 * MIB).killed_by == KilledBy.MEMORY


def test_a_busy_loop_runs_out_of_processor_time(run: Run) -> None:
    result = run("while :; do :; done", cpu_s=1)
    assert result.killed_by == KilledBy.CPU
    assert result.timed_out


def test_the_wall_limit_ends_detached_grandchildren_too(run: Run) -> None:
    mark = f"31{os.getpid()}"
    result = run(f"setsid nohup sleep {mark} & (setsid sleep {mark} &) ; echo up; sleep {mark}", wall_s=3.0)
    assert result.killed_by == KilledBy.WALL
    assert result.timed_out
    assert result.output == "up\n"
    wait_until(lambda: not running(f"sleep {mark}"))


def test_what_a_finished_command_left_running_is_ended(run: Run) -> None:
    mark = f"32{os.getpid()}"
    assert run(f"setsid sleep {mark} >/dev/null 2>&1 & echo done").ok
    wait_until(lambda: not running(f"sleep {mark}"))


def test_the_death_of_the_worker_ends_the_command(sandbox: Sandbox, workspace: Path) -> None:
    mark = f"33{os.getpid()}"
    source = (
        "import sys; from pathlib import Path; from gpu_workers.sandbox import *\n"
        f"box = Sandbox(SandboxSettings(walls=WallKind({str(sandbox.settings.walls)!r})))\n"
        f"box.run(SandboxCommand('echo up; setsid sleep {mark}', Path(sys.argv[1])),\n"
        "    lambda chunk: (sys.stdout.write(chunk.decode()), sys.stdout.flush()))\n"
    )
    with subprocess.Popen([sys.executable, "-c", source, str(workspace)], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"up\n"
        wait_until(lambda: bool(running(f"sleep {mark}")))
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    wait_until(lambda: not running(f"sleep {mark}"))


def test_endless_output_is_cut_and_ended(run: Run) -> None:
    result = run("yes guildhall", output=64 * 1024)
    assert result.killed_by == KilledBy.OUTPUT
    assert result.truncated
    assert len(result.output) < 66 * 1024
    assert "bytes left out" in result.output


def test_the_environment_of_the_worker_does_not_leak(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://leak-me")
    result = run("env; cat /proc/*/environ; tr '\\0' ' ' < /proc/1/cmdline")
    assert "leak-me" not in result.output
    assert str(Path.home()) + "\n" not in result.output
    with pytest.raises(ValueError, match="LD_PRELOAD"):
        SandboxCommand("true", Path("x"), env={"LD_PRELOAD": "/workspace/evil.so"})


def test_no_new_namespace_and_no_privilege(run: Run) -> None:
    result = run(
        "unshare --user true; unshare --net true; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; id -u"
    )
    assert result.output.count("unshare failed") == 2
    assert "CapEff:\t0000000000000000" in result.output
    assert "CapBnd:\t0000000000000000" in result.output
    assert "NoNewPrivs:\t1" in result.output
    assert result.output.splitlines()[-1] != "0"


def test_processes_of_the_host_cannot_be_seen_traced_or_killed(run: Run) -> None:
    with subprocess.Popen(["sleep", "120"]) as host:
        result = run(
            python(
                "import ctypes, os\n"
                f"pid = {host.pid}\n"
                "for go in (lambda: os.kill(pid, 9), lambda: open(f'/proc/{pid}/mem', 'rb')):\n"
                "    try:\n"
                "        go()\n"
                "        print('DONE')\n"
                "    except OSError as problem:\n"
                "        print(type(problem).__name__)\n"
                "print(ctypes.CDLL(None).ptrace(16, pid, 0, 0))\n"
                "print(max(int(name) for name in os.listdir('/proc') if name.isdigit()) < 50)\n"
            )
        )
        assert host.poll() is None
        host.terminate()
    assert result.output.split() == ["ProcessLookupError", "FileNotFoundError", "-1", "True"]


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_nothing_writes_any_more_once_the_command_has_returned(run: Run, workspace: Path, end: str) -> None:
    source = (
        "import os\ni = 0\nwhile True:\n    open('f%d' % (i % 500), 'w').close(); os.unlink('f%d' % (i % 500)); i += 1"
    )
    (workspace / "busy.py").write_text(source)
    starter = "for i in 1 2 3 4; do setsid python3 busy.py >/dev/null 2>&1 & done; sleep 0.3"
    for _ in range(5):
        run(starter if end == "exit" else f"{starter}; sleep 60", wall_s=60.0 if end == "exit" else 0.6)
        before = sorted(os.listdir(workspace))
        stamps = workspace.stat().st_mtime_ns
        assert (sorted(os.listdir(workspace)), workspace.stat().st_mtime_ns) == (before, stamps)
        assert not running("busy.py")
