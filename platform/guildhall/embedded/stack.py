"""The table of everything that `make up` runs."""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from guildhall.embedded import celery_service, preload
from guildhall.embedded.backing import Backing, backing
from guildhall.embedded.forking import is_up
from guildhall.embedded.nginx import Front
from guildhall.embedded.process import EmbeddedError
from guildhall.embedded.roles import PRIVILEGED
from guildhall.embedded.running import Running
from guildhall.embedded.service import Service, answers_on_port, answers_on_socket
from guildhall.embedded.static import REPOSITORY, STATIC_ROOT, collected
from guildhall.embedded.users import own_folder, service_root, service_user, socket_folder
from guildhall.fleet.asleep import Watch

WEB_THREADS = 8
AGENT_THREADS = 4
MOST_THREADS = 256
IDLE_SECONDS = 900
LONGEST_IDLE_SECONDS = 86_400
JOB_PROCESSES = 2
AGENT_QUEUE = "agents"
MERGE_QUEUE = "merges"
MERGE_THREADS = 4
JOB_QUEUES = "default,events,delivery,ingest"
OWNER_QUEUES = "provisioning"
MODEL_SECONDS = 180.0
"""How long a model of one's own has to show what it can do."""
MIGRATE_SECONDS = 3600.0
"""Every organisation's schema is brought up to date, one after the other: to kill that half-way brings nobody further."""
ALONE = ("--without-gossip", "--without-mingle")
"""Workers need not know of each other; looking for others takes a second at each start."""

OWNER = frozenset({"DATABASE_ADMIN_URL"})
PRELOADED = (
    "guildhall.celery",
    "guildhall.asgi",
    "guildhall.urls_public",
    "guildhall.urls_tenant",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "granian.cli",
    "granian.server.mp",
    "uvicorn.main",
)
"""What the services import, beside what these import."""


def _told(env: Mapping[str, str], may: frozenset[str] | set[str] = frozenset()) -> dict[str, str]:
    return {variable: value for variable, value in env.items() if variable not in PRIVILEGED - may}


@dataclass(frozen=True, slots=True)
class Stack:
    """The services, the environment that other commands need to reach them, and where their logs are."""

    services: list[Service]
    environment: dict[str, str]
    logs: Path

    @property
    def command_environment(self) -> dict[str, str]:
        """The whole environment of a management command on this stack that works as the application."""
        return _told({**os.environ, **self.environment})


def build(var: Path, port: int, given: Mapping[str, str]) -> Stack:
    """The stack of `var` with its front on `port`. `EmbeddedError`: `given` (the environment) is incomplete."""
    root, user = service_root(var), service_user()
    logs = var / "log"
    for place in (logs, Running(var).folder):
        place.mkdir(parents=True, exist_ok=True)
    found = backing(root, logs, given)
    sockets = own_folder(socket_folder(root) / "web", user)
    work = root / "work"
    work.mkdir(parents=True, exist_ok=True, mode=0o755)
    environment = {
        **found.environment,
        "GUILDHALL_WORK": str(work),
        "GUILDHALL_STATIC": str(STATIC_ROOT),
        "DJANGO_SETTINGS_MODULE": "guildhall.settings",
        "GUILDHALL_VAR": str(var),
        "PORT": str(port),
    }
    depends = ("migrate", "preload", *found.started("redis"))
    programs = _Programs(var=var, logs=logs, sockets=sockets, environment=environment, depends=depends)
    front = Front(
        root=root, port=port, web=programs.socket("web"), live=programs.socket("live"), static=STATIC_ROOT, user=user
    )
    steps = _steps(programs, found)
    services = [
        *found.services,
        programs.preload(),
        *steps,
        *_processes(programs, agent_threads(given), agent_idle_seconds(given)),
        _front(front, logs, steps),
    ]
    return Stack(services, environment, logs)


def _steps(programs: "_Programs", found: Backing) -> list[Service]:
    # Migrations are no fork: they are imported while the others' imports are, and connect as the owner.
    migrate = replace(
        programs.manage("migrate", "migrate_platform", may=PRIVILEGED),
        depends=found.started("postgres"),
        once=True,
        preloaded=None,
        start_seconds=MIGRATE_SECONDS,
    )
    static = replace(programs.program("static", "guildhall.embedded.collect"), once=True, depends=("preload",))
    models = replace(
        programs.manage("models", "sync_deployments"),
        depends=(*programs.depends, *found.started("model")),  # it may ask the model what it can do
        once=True,
        start_seconds=MODEL_SECONDS,
    )
    return [migrate, models] if collected() else [migrate, models, static]


def agents_worker(name: str, threads: int = AGENT_THREADS, idle_seconds: int = 0) -> list[str]:
    """What `celery` is told for a worker at agents' runs: threads, because what they do is wait for models."""
    return _threads(name, threads, AGENT_QUEUE, idle_seconds)


def merges_worker(name: str, idle_seconds: int = 0) -> list[str]:
    """The same for a worker at merges and reverts, which wait for CI and forges: no run is at its threads, however long it is."""
    return _threads(name, MERGE_THREADS, MERGE_QUEUE, idle_seconds)


def _threads(name: str, threads: int, queue: str, idle_seconds: int) -> list[str]:
    pool = ["-n", f"{name}@%h", "-P", "threads", "-c", str(threads), "-Q", queue]
    return ["worker", *ALONE, *pool, "--sleep-after", str(idle_seconds)]


def agent_threads(given: Mapping[str, str]) -> int:
    """How many runs a worker has in hand at once. Raises `EmbeddedError` for what is no number from 1 to 256."""
    return _number(given, "GUILDHALL_AGENT_THREADS", AGENT_THREADS, least=1, most=MOST_THREADS)


def agent_idle_seconds(given: Mapping[str, str]) -> int:
    """After how long without work the workers of runs and of merges sleep; 0: never. Raises `EmbeddedError` likewise."""
    return _number(given, "GUILDHALL_AGENT_IDLE_SECONDS", IDLE_SECONDS, least=0, most=LONGEST_IDLE_SECONDS)


def _number(given: Mapping[str, str], name: str, usual: int, *, least: int, most: int) -> int:
    named = given.get(name, "").strip() or str(usual)
    if not named.isascii() or not named.isdigit() or not least <= int(named) <= most:
        raise EmbeddedError(f"{name} is {named!r}; give a number from {least} to {most}.")
    return int(named)


def _processes(programs: "_Programs", threads: int, idle_seconds: int) -> list[Service]:
    web = [
        "granian", "--interface", "wsgi", "--workers", "1", "--blocking-threads", str(WEB_THREADS), "--no-ws",
        "--uds", str(programs.socket("web")), "--uds-permissions", "666", "guildhall.wsgi:application",
    ]  # fmt: skip
    live = [
        "uvicorn", "--uds", str(programs.socket("live")), "--forwarded-allow-ips", "*", "--lifespan", "auto",
        "--no-access-log", "--ws-per-message-deflate", "false", "guildhall.asgi:application",
    ]  # fmt: skip
    processes = ["worker", *ALONE, "-n", "jobs@%h", "-P", "prefork", "-c", str(JOB_PROCESSES), "-Q", JOB_QUEUES]
    single = ["worker", *ALONE, "-n", "provisioner@%h", "-P", "solo", "-Q", OWNER_QUEUES]
    return [
        programs.on_socket("web", *web),
        programs.on_socket("live", *live),
        programs.manage("relay", "relay", may={"RELAY_DATABASE_URL"}),
        programs.manage("sealer", "sealer", may={"SEALER_DATABASE_URL"}),
        _sleeper(programs, "agents", AGENT_QUEUE, agents_worker("agents", threads, idle_seconds)),
        _sleeper(programs, "merges", MERGE_QUEUE, merges_worker("merges", idle_seconds)),
        programs.celery("jobs", *processes, may={"RELAY_DATABASE_URL"}),
        programs.celery("provisioner", *single, may=OWNER),
        programs.celery("beat", "beat"),
    ]


def _sleeper(programs: "_Programs", name: str, queue: str, command: Sequence[str]) -> Service:
    """A worker that ends when there is nothing for it, and is started again when there is."""
    watch = Watch(programs.environment["REDIS_URL"], f"{name}@{socket.gethostname()}", [queue])
    return replace(programs.celery(name, *command), wanted=watch.wanted)


def _front(front: Front, logs: Path, steps: Sequence[Service]) -> Service:
    return Service(
        "nginx",
        front.command(),
        log=logs / "nginx.log",
        depends=("web", "live", *(step.name for step in steps)),
        ready=answers_on_port(front.port),
        prepare=front.prepare,
        user=front.user,
    )


@dataclass(frozen=True, slots=True)
class _Programs:
    """How Guildhall's own programs become rows of the table."""

    var: Path
    logs: Path
    sockets: Path
    environment: Mapping[str, str]
    depends: tuple[str, ...]

    def socket(self, name: str) -> Path:
        """Where the web process called `name` listens."""
        return self.sockets / f"{name}.sock"

    def program(self, name: str, *command: str, may: frozenset[str] | set[str] = frozenset()) -> Service:
        """`python -m` with `command`, after the migrations; `may` names the privileged variables that it is told."""
        env = {**os.environ, **self.environment, "PYTHONUNBUFFERED": "1"}
        return Service(
            name,
            [sys.executable, "-m", *command],
            log=self.logs / f"{name}.log",
            env=_told(env, may),
            depends=self.depends,
            cwd=REPOSITORY,
            preloaded=self.socket("preload"),
        )

    def preload(self) -> Service:
        """The process that the others are forked from."""
        path = self.socket("preload")
        return replace(
            self.program("preload", preload.__name__, str(path), *PRELOADED),
            depends=(),
            ready=lambda: is_up(path),
            prepare=lambda: path.unlink(missing_ok=True),
            preloaded=None,
        )

    def manage(self, name: str, command: str, *, may: frozenset[str] | set[str] = frozenset()) -> Service:
        """A management command that needs no sign of readiness but to go on living."""
        return self.program(name, "manage", command, may=may)

    def on_socket(self, name: str, *command: str) -> Service:
        """A web process behind the front."""
        path = self.socket(name)
        return replace(
            self.program(name, *command),
            ready=answers_on_socket(path),
            prepare=lambda: path.unlink(missing_ok=True),
        )

    def celery(self, name: str, *command: str, may: frozenset[str] | set[str] = frozenset()) -> Service:
        """A Celery process; it touches a file when it is at work."""
        flag = Running(self.var).folder / f"{name}.ready"
        service = self.program(
            name, celery_service.__name__, "-A", "guildhall.celery", *command, "--loglevel", "INFO", may=may
        )
        return replace(
            service,
            env={**service.env, celery_service.READY_FILE: str(flag)},
            ready=flag.exists,
            prepare=lambda: flag.unlink(missing_ok=True),
        )
