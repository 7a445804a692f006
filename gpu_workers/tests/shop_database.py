"""A project's own PostgreSQL, with logins that may read, write and too much."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from gpu_workers.reach import networks
from guildhall.embedded.postgres import SUPERUSER
from guildhall.embedded.secrets import Secrets
from guildhall.embedded.users import service_root
from tests.support.ports import listening_postgres
from tests.support.processes import until

HERE = networks("127.0.0.0/8")
SCENE = (
    "CREATE ROLE reader LOGIN PASSWORD 'r/ead-the-shop'",
    "CREATE ROLE writer LOGIN PASSWORD 'writes'",
    "CREATE ROLE joined LOGIN PASSWORD 'joins' IN ROLE writer",
    "CREATE TABLE goods (id int PRIMARY KEY, name text, price numeric)",
    "INSERT INTO goods SELECT n, 'thing ' || n, n FROM generate_series(1, 300) n",
    "CREATE SCHEMA backroom",
    "CREATE TABLE backroom.plans (text text)",
    "INSERT INTO backroom.plans VALUES ('sell the shop')",
    "GRANT SELECT ON goods TO reader, writer, joined",
    "GRANT UPDATE (price) ON goods TO writer",
)


@dataclass(frozen=True)
class Server:
    """Where it listens, and the password of its superuser."""

    port: int
    superuser: str

    def at(self, login: str, **other: str) -> str:
        return f"postgresql://{login}@127.0.0.1:{self.port}/{other.get('name', 'shop')}"

    @property
    def reader(self) -> str:
        return self.at("reader:r%2Fead-the-shop")

    def run(self, *statements: str, name: str = "shop") -> bool:
        try:
            with psycopg.connect(self.at(f"{SUPERUSER}:{self.superuser}", name=name), autocommit=True) as db:
                for statement in statements:
                    db.execute(statement.encode())
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def serving() -> Iterator[Server]:
    """A PostgreSQL that is no part of the platform, with the database of a shop."""
    folder = Path(tempfile.mkdtemp(prefix="guildhall-shop-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(shutil.rmtree, service_root(folder), ignore_errors=True)
        found = Server(listening_postgres(folder, stack), Secrets(folder / "secrets.json")[SUPERUSER])
        until(lambda: found.run("CREATE DATABASE shop", name="postgres"), what="PostgreSQL")
        assert found.run(*SCENE)
        yield found
