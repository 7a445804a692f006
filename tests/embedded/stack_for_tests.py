"""A supervisor of its own, to be killed: `python -m tests.embedded.stack_for_tests FOLDER` runs a small table there.

A real PostgreSQL, a real Redis, a program that waits for both and has a child of its own, and the same program forked.
"""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from guildhall.embedded import preload
from guildhall.embedded.forking import is_up
from guildhall.embedded.postgres import EmbeddedPostgres
from guildhall.embedded.redis import EmbeddedRedis
from guildhall.embedded.running import Running
from guildhall.embedded.service import Service
from guildhall.embedded.supervisor import Supervisor

PROGRAM = "tests.embedded.program_for_tests"
REPOSITORY = Path(__file__).parents[2]


def table(folder: Path) -> list[Service]:
    socket = folder / "preload.sock"
    postgres, redis = EmbeddedPostgres(folder, durable=False), EmbeddedRedis(folder)
    return [
        Service(
            "postgres",
            postgres.command(),
            log=postgres.log,
            prepare=postgres.prepare,
            ready=postgres.healthy,
            user=postgres.user,
            stop_signal=signal.SIGINT,
        ),
        Service("redis", redis.command(), log=redis.log, prepare=redis.prepare, ready=redis.healthy, user=redis.user),
        Service("step", ["true"], log=folder / "step.log", depends=("redis",), once=True),
        Service(
            "program",
            [sys.executable, "-m", PROGRAM, str(folder / "program.json")],
            log=folder / "program.log",
            depends=("postgres", "redis", "step"),
            cwd=REPOSITORY,
            stop_seconds=2.0,
        ),
        Service(
            "preload",
            [sys.executable, "-m", preload.__name__, str(socket), "subprocess"],
            log=folder / "preload.log",
            cwd=REPOSITORY,
            prepare=lambda: socket.unlink(missing_ok=True),
            ready=lambda: is_up(socket),
        ),
        Service(
            "forked",
            [sys.executable, "-m", PROGRAM, str(folder / "forked.json")],
            log=folder / "forked.log",
            env={"DATABASE_ADMIN_URL": "its own"},
            depends=("preload",),
            cwd=REPOSITORY,
            preloaded=socket,
            stop_seconds=2.0,
        ),
    ]


def main(folder: Path, services: Sequence[Service]) -> int:
    """Keep the services running and their state in `folder`, until SIGTERM; the exit status."""
    running = Running(folder)
    if not running.acquire():
        return 1
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def observe(supervisor: Supervisor) -> None:
        running.write("state", {"ready": supervisor.is_ready, "services": supervisor.status()})

    Supervisor(services, observe).run(stop)
    running.release()
    return 0


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.exit(main(place, table(place)))
