"""The web stack as it runs in production: nginx in front, WSGI for pages, ASGI for sockets.

The relay is the tests' own pump: it settles a tenant in the open, and announces what it places."""

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from django.db import connection

from guildhall.embedded.nginx import Front
from guildhall.embedded.process import end, spawn, tail
from guildhall.embedded.service import answers_on_port, answers_on_socket
from guildhall.embedded.static import STATIC_ROOT
from guildhall.embedded.users import own_folder, service_user, socket_folder
from tests.support.ports import listening
from tests.support.processes import running, until

T = TypeVar("T")
START_SECONDS = 90


@dataclass(slots=True)
class Live:
    """The process of the sockets, which a test may kill and start again."""

    socket: Path
    log: Path
    stack: ExitStack
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers."""
        served = running(
            "-m", "uvicorn", "--uds", str(self.socket), "--no-access-log", "guildhall.asgi:application",
            log=self.log, env=_environment(),
        )  # fmt: skip
        self.process = self.stack.enter_context(served)
        until(answers_on_socket(self.socket), seconds=START_SECONDS, what="the live process")

    def kill(self) -> None:
        """As a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Site:
    """Where the stack answers; `live` can be ended and started again."""

    port: int
    live: Live

    def url(self, host: str, path: str = "/") -> str:
        return f"http://{host}:{self.port}{path}"


@contextmanager
def served(folder: Path) -> Iterator[Site]:
    """The processes, with their logs in `folder`."""
    user = service_user()
    sockets = own_folder(socket_folder(folder) / "e2e", user)
    web, live = sockets / "web.sock", sockets / "live.sock"
    with ExitStack() as stack:

        def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
            return stack.enter_context(running(*arguments, log=folder / f"{name}.log", env=_environment()))

        collecting = start("static", "-m", "guildhall.embedded.collect")

        start(
            "web", "-m", "granian", "--interface", "wsgi", "--workers", "1", "--blocking-threads", "4", "--no-ws",
            "--uds", str(web), "--uds-permissions", "666", "tests.e2e.wsgi_for_tests:application",
        )  # fmt: skip
        sockets_process = Live(live, folder / "live.log", stack)
        sockets_process.start()
        until(answers_on_socket(web), seconds=START_SECONDS, what="the web process")
        assert collecting.wait(START_SECONDS) == 0, tail(folder / "static.log")
        log = folder / "nginx.log"

        def start_front(port: int) -> subprocess.Popen[bytes]:
            front = Front(root=folder, port=port, web=web, live=live, static=STATIC_ROOT, user=user)
            front.prepare()
            process = spawn(front.command(), log=log, user=user)
            stack.callback(end, process)
            return process

        port = listening(start_front, log=log)
        until(answers_on_port(port), what="nginx")
        yield Site(port, sockets_process)


def _environment() -> dict[str, str]:
    """What `make up` tells the web processes beside the logins: static files are served as they were collected."""
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "guildhall.settings", "GUILDHALL_STATIC": str(STATIC_ROOT)}


def aside(work: Callable[[], T]) -> T:
    """What `work` returns, done in another thread: Playwright's event loop runs in this one, where Django refuses."""

    def do() -> T:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(do).result()
