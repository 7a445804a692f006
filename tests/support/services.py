"""Pytest plugin: a private PostgreSQL and Redis for this pytest process, there before Django's settings are read.

Loaded by `-p tests.support.services` (pyproject.toml), so that it comes before pytest-django. A run of `-m unit` starts
nothing and gets URLs that lead nowhere. The servers die with this process, however it ends.
`python -m tests.support.services` makes the migrated cluster that runs take, where none is kept.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from guildhall.embedded import roles
from guildhall.embedded.postgres import EmbeddedPostgres
from guildhall.embedded.redis import EmbeddedRedis
from tests.support.clusters import ROOT, furnish
from tests.support.sharing import only_hands_out

CLUSTER = ("postgres", "passwords.json")
"""What of the folder makes the cluster: its data and the passwords of its logins."""

NOWHERE_DATABASE = "postgresql://nobody@127.0.0.1:1/nowhere"
NOWHERE_REDIS = "redis://127.0.0.1:1/0"

UNLIMITED = dict.fromkeys(("GUILDHALL_RATE_SIGNED_OUT", "GUILDHALL_RATE_PERSON", "GUILDHALL_RATE_TENANT"), str(10**9))
"""Tests ask faster than people; those of the limits themselves set their own."""

DATABASE_LOGINS = {
    "DATABASE_URL": roles.APP,
    "DATABASE_ADMIN_URL": roles.OWNER,
    "RELAY_DATABASE_URL": roles.RELAY,
    "SEALER_DATABASE_URL": roles.SEALER,
}


MEMORY = Path("/dev/shm")  # noqa: S108  a folder of a random name is made in it
ROOM = 12 * 1024**3
"""Bytes. A worker's half of all tests fills about 3 GiB."""


def memory(folder: Path = MEMORY) -> Path | None:
    """`folder` where it is a roomy file system in memory that programs may run from, else None: the usual place.

    A tenant is hundreds of small files, and a disk's file system takes as long over them as PostgreSQL over the tenant.
    """
    if not folder.is_dir():
        return None
    found = os.statvfs(folder)
    roomy = min(found.f_bavail * found.f_frsize, psutil.virtual_memory().available) >= ROOM
    return folder if roomy and not found.f_flag & os.ST_NOEXEC else None


REMOVE = 'rm -rf -- "$1" </dev/null >/dev/null 2>&1 &'


class Services:
    """One PostgreSQL cluster (not crash-safe, fast) and one Redis under a temporary folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="guildhall-tests-", dir=memory()))
        self.folder.chmod(0o711)  # root's servers run as another user, who must get through
        self.redis = EmbeddedRedis(self.folder)
        furnish(self.folder, CLUSTER, self._migrate)
        self.postgres = self._cluster()

    def start(self) -> None:
        """Servers with the shared tables and the tenants' template in place."""
        self.postgres.start()
        self.redis = EmbeddedRedis(self.folder)  # its port is free now; that from before a migration may be taken
        self.redis.start()

    def _cluster(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.folder, secrets=self.folder / "passwords.json", durable=False)

    def _migrate(self) -> None:
        """By the owner in a process of its own, as in production."""
        self.postgres = self._cluster()
        self.postgres.start()
        try:
            command = [sys.executable, str(ROOT / "manage.py"), "migrate_platform"]
            subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **self.environment()})
        finally:
            self.postgres.stop()

    def environment(self) -> dict[str, str]:
        """The variables that lead Guildhall's settings to these servers."""
        urls = {variable: self.postgres.url(login) for variable, login in DATABASE_LOGINS.items()}
        return {**urls, "REDIS_URL": self.redis.url, "GUILDHALL_VAR": str(self.folder / "var")}

    def stop(self) -> None:
        self.redis.stop()
        self.postgres.stop()
        # Hundreds of thousands of small files take a disk half a minute, which nobody has to wait for.
        subprocess.run(["sh", "-c", REMOVE, "sh", str(self.folder)], check=True)


_running = pytest.StashKey[Services]()


def _needs_services(config: pytest.Config) -> bool:
    options = config.known_args_namespace
    if only_hands_out(options):
        return False
    return options.markexpr != "unit" and not (options.collectonly or options.help or options.version)


def _without_services() -> dict[str, str]:
    return {**dict.fromkeys(DATABASE_LOGINS, NOWHERE_DATABASE), "REDIS_URL": NOWHERE_REDIS}


def _told() -> None:
    os.environ.setdefault("SECRET_KEY", "only-for-tests-0123456789-0123456789-0123456789")
    os.environ.update(UNLIMITED)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """A wrapper runs before pytest-django's own hook, which reads the settings."""
    _told()
    if not _needs_services(early_config):
        os.environ.update(_without_services())
        return (yield)
    services = Services()
    early_config.stash[_running] = services
    early_config.add_cleanup(services.stop)
    services.start()
    os.environ.update(services.environment())
    return (yield)


@pytest.fixture(scope="session")
def services(pytestconfig: pytest.Config) -> Services:
    """The servers of this run, for tests that stop, look into or restart one."""
    return pytestconfig.stash[_running]


if __name__ == "__main__":
    _told()
    Services().stop()
