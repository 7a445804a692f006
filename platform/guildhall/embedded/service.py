"""One row of the supervisor's table, and the checks that say whether a service does its work."""

import http.client
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guildhall.embedded.users import ServiceUser

CHECK_SECONDS = 3.0
AWAY = {502, 503, 504}


def _nothing() -> None:
    """Most services need no preparation."""


@dataclass(frozen=True, slots=True)
class Service:
    """What to run, after what, and how to see that it works.

    `ready` is asked until it is true, then again as a health check; it may take up to 3 s and runs in a thread.
    `prepare` runs before each start, in the supervisor's main thread. A `once` service is a step: ready is status 0.
    `preloaded` is where a process listens that can become this Python module (`python -m …`) faster than a new one.
    `wanted` belongs to a service that may end with the status `ASLEEP`: from then on it is asked about once a second, under
    the same terms as `ready`, and the service started again once it is true.
    """

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    depends: tuple[str, ...] = ()
    ready: Callable[[], bool] = lambda: True
    prepare: Callable[[], None] = _nothing
    once: bool = False
    user: ServiceUser | None = None
    cwd: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    preloaded: Path | None = None
    start_seconds: float = 90.0
    wanted: Callable[[], bool] | None = None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=CHECK_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CHECK_SECONDS)
        self.sock.connect(str(self._path))


def answers_on_socket(path: Path, url: str = "/health") -> Callable[[], bool]:
    """A check: something speaks HTTP on the unix socket at `path`, whatever it says short of being away."""
    return lambda: _answers(_UnixConnection(path), url)


def answers_on_port(port: int, url: str = "/health") -> Callable[[], bool]:
    """A check: something speaks HTTP on the loopback port, whatever it says short of being away (502 to 504)."""
    return lambda: _answers(http.client.HTTPConnection("127.0.0.1", port, timeout=CHECK_SECONDS), url)


def _answers(connection: http.client.HTTPConnection, url: str) -> bool:
    try:
        connection.request("GET", url, headers={"Host": "localhost"})
        return connection.getresponse().status not in AWAY
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def in_order(services: Sequence[Service]) -> list[list[Service]]:
    """The services in levels: each depends only on earlier ones. `ValueError`: a circle or a missing name."""
    levels: list[list[Service]] = []
    placed: set[str] = set()
    left = list(services)
    while left:
        level = [service for service in left if placed.issuperset(service.depends)]
        if not level:
            raise ValueError(f"no order for {', '.join(service.name for service in left)}")
        levels.append(level)
        placed.update(service.name for service in level)
        left = [service for service in left if service.name not in placed]
    return levels
