"""`up`, `down` and `status` of the embedded default."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from guildhall.embedded.preflight import problems, sandbox_wanted
from guildhall.embedded.process import EmbeddedError, end, spawn
from guildhall.embedded.running import Running
from guildhall.embedded.stack import Stack, build
from guildhall.embedded.static import REPOSITORY
from guildhall.embedded.supervisor import Supervisor
from guildhall.embedded.users import service_root

logger = logging.getLogger("guildhall.embedded")

DOWN_SECONDS = 90.0
DETACHED_SECONDS = 600.0
POLL_SECONDS = 0.1
LOG_LIMIT = 10 * 1024**2
JOB_STOPPED = 4
"""Exit status of `up --detach` when everything runs and the demo's main job stopped short."""
STOPPED_SHORT = (
    "The demo's main job stopped short, for the reason above. Everything else runs on and all data is kept.\n"
    "What to do: look at the story's page and at the logs (`make logs`); once the reason is gone, retry the run on its\n"
    "page, and `.venv/bin/python manage.py demo_job` follows the job from where it stands. `make down` stops the stack."
)


def url(port: int) -> str:
    """Where the owner console is."""
    return f"http://localhost:{port}/"


def up(var: Path, port: int) -> int:
    """Run everything in this process until SIGINT or SIGTERM; the exit status."""
    running = Running(var)
    if not running.acquire():
        return _already(running)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        if found := problems(port=port, folders=[var, service_root(var)]):
            raise EmbeddedError("\n".join(found))
        logger.info("commands of agents and of CI are isolated by %s", sandbox_wanted())
        _rotate(var / "log")
        stack = build(var, port, os.environ)
        running.write("environment", stack.environment)
        _supervise(running, stack, port, stop)
    except EmbeddedError as error:
        logger.error("%s", error)
        return 1
    finally:
        running.release()
    logger.info("stopped; the data is kept")
    return 0


def _supervise(running: Running, stack: Stack, port: int, stop: threading.Event) -> None:
    began = time.monotonic()
    state: dict[str, object] = {"pid": os.getpid(), "url": url(port), "ready": False, "demo": "waiting", "services": {}}
    demo: list[subprocess.Popen[bytes]] = []

    def observe(supervisor: Supervisor) -> None:
        state["services"] = supervisor.status()
        state["ready"] = supervisor.is_ready
        running.write("state", state)

    def on_ready() -> None:
        logger.info("ready after %.1f s: %s  (Ctrl-C or `make down` stops it)", time.monotonic() - began, url(port))
        if os.environ.get("GUILDHALL_DEMO", "1") == "0":
            state["demo"] = "off"
        else:
            state["demo"] = "running"
            command = [sys.executable, "-m", "manage", "demo_up"]
            demo.append(spawn(command, log=None, env=stack.command_environment, cwd=REPOSITORY))
            threading.Thread(target=_note_end, args=(demo[0], state), daemon=True).start()
        running.write("state", state)

    def _note_end(process: subprocess.Popen[bytes], state: dict[str, object]) -> None:
        ended = "done" if process.wait() == 0 else "failed"
        if not stop.is_set():
            if ended == "failed":
                logger.error("%s", STOPPED_SHORT)
            state["demo"] = ended
            running.write("state", state)

    try:
        Supervisor(stack.services, observe).run(stop, on_ready)
    finally:
        for process in demo:
            end(process)


def up_detached(var: Path, port: int) -> int:
    """Start `up` in the background and wait until it is ready and the demo has been shown; the exit status."""
    running = Running(var)
    if running.holder() is not None:
        return _already(running)
    log = var / "log" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "guildhall.embedded", "up", f"--var={var}", f"--port={port}"]
    with log.open("wb") as output, log.open("rb") as shown:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        return _shown_until_ready(running, process, shown)


def _shown_until_ready(running: Running, process: subprocess.Popen[bytes], shown: BinaryIO) -> int:
    """Print what the stack that `process` is writes, until it is ready and its demo has ended; the exit status."""
    deadline = time.monotonic() + DETACHED_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        state = running.read("state")
        sys.stdout.write(shown.read().decode(errors="replace"))
        sys.stdout.flush()
        if ended:
            return process.returncode or 1
        if state.get("ready") and state.get("demo") in {"off", "done", "failed"}:
            return JOB_STOPPED if state["demo"] == "failed" else 0
        time.sleep(POLL_SECONDS)
    logger.error("Not ready after %.0f s; see %s, or stop it with `make down`.", DETACHED_SECONDS, shown.name)
    return 1


def down(var: Path) -> int:
    """Stop what runs from `var` and wait for its end; the exit status."""
    running = Running(var)
    pid = running.holder()
    if pid is None:
        logger.info("nothing is running here")
        return 0
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if _within(DOWN_SECONDS, lambda: running.holder() is None):
        logger.info("stopped; the data is kept")
        return 0
    logger.error("process %s has not stopped after %.0f s; see %s", pid, DOWN_SECONDS, var / "log")
    return 1


def status(var: Path) -> int:
    """Print where each service stands; status 0 only when all is ready."""
    running = Running(var)
    pid = running.holder()
    if pid is None:
        logger.info("not running")
        return 3
    state = running.read("state")
    lines = [f"{state.get('url', 'starting')}  (process {pid})"]
    for name, service in state.get("services", {}).items():
        lines.append(f"{name:10} {service['phase']:9} pid {service['pid']!s:8} restarts {service['restarts']}")
    logger.info("%s", "\n".join(lines))
    return 0 if state.get("ready") else 1


def _already(running: Running) -> int:
    state = running.read("state")
    where = state.get("url", "a moment from being ready")
    logger.error("Already running: %s (process %s). `make down` stops it.", where, running.holder())
    return 1


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _rotate(logs: Path) -> None:
    """Keep one older file of each log that has grown long."""
    for log in logs.glob("*.log") if logs.exists() else []:
        if log.stat().st_size > LOG_LIMIT and log.name != "supervisor.log":
            log.replace(log.with_suffix(".log.1"))
