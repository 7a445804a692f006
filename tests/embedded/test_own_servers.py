"""Servers of one's own, with the rights that the documentation asks for: nothing of the kind is started, and it works."""

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from guildhall.embedded import roles
from guildhall.embedded.postgres import SUPERUSER
from guildhall.embedded.process import EmbeddedError, tail
from guildhall.embedded.secrets import Secrets
from guildhall.embedded.stack import Stack, build
from guildhall.embedded.static import REPOSITORY
from guildhall.embedded.supervisor import Supervisor
from guildhall.embedded.users import service_root
from tests.support.ports import listening_postgres
from tests.support.processes import until
from tests.support.services import Services

pytestmark = pytest.mark.integration

ONCE_AS_SUPERUSER = (
    "CREATE ROLE hall_keeper LOGIN CREATEROLE PASSWORD 'k:e/p'",
    "CREATE DATABASE hall OWNER hall_keeper",
)
DEADLINE = 180.0
NEEDED = ("preload", "migrate", "models", "relay", "provisioner")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="guildhall-own-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder
        shutil.rmtree(service_root(folder / "var"), ignore_errors=True)


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    """A PostgreSQL that listens on TCP and asks for passwords, with the database that its superuser has made."""
    with ExitStack() as stack:
        port = listening_postgres(folder, stack)
        password = Secrets(folder / "secrets.json")[SUPERUSER]

        def as_superuser(database: str, *statements: str) -> bool:
            try:
                url = f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}"
                with psycopg.connect(url, autocommit=True) as db:
                    for statement in statements:
                        db.execute(statement.encode())
            except psycopg.OperationalError:
                return False
            return True

        until(lambda: as_superuser("postgres"), what="PostgreSQL")
        assert as_superuser("postgres", *ONCE_AS_SUPERUSER)
        assert as_superuser("hall", roles.VECTOR)
        yield port


def run_until_a_tenant_is_made(stack: Stack) -> subprocess.CompletedProcess[str]:
    """Run the part of `stack` that makes tenants, and make one as anybody who may run commands does."""
    rows = [replace(row, depends=tuple(set(row.depends) & set(NEEDED))) for row in stack.services if row.name in NEEDED]
    stop, results = threading.Event(), []

    def create() -> None:
        command = [sys.executable, "manage.py", "create_tenant", "own", "--name", "Own", "--timeout", "90"]
        try:
            results.append(
                subprocess.run(
                    command, cwd=REPOSITORY, env=stack.command_environment, capture_output=True, text=True, check=False
                )
            )
        finally:
            stop.set()

    deadline = threading.Timer(DEADLINE, stop.set)
    deadline.start()
    Supervisor(rows).run(stop, lambda: threading.Thread(target=create).start())
    deadline.cancel()
    assert results, "the stack did not become ready in time"
    return results[0]


def test_own_postgresql_redis_and_model_are_used_and_none_is_started(
    services: Services, folder: Path, port: int
) -> None:
    place = f"127.0.0.1:{port}/hall"
    given = {
        "DATABASE_URL": f"postgresql://guildhall_app:wants%3Athis@{place}",
        "DATABASE_ADMIN_URL": f"postgresql://hall_keeper:k%3Ae%2Fp@{place}",
        "REDIS_URL": services.redis.url,
        "LLM_BASE_URL": "http://127.0.0.1:9/v1",
        "LLM_MODEL": "own",
    }
    with pytest.raises(EmbeddedError, match="DATABASE_ADMIN_URL"):
        build(folder / "var", 8123, {"DATABASE_URL": given["DATABASE_URL"]})
    stack = build(folder / "var", 8123, given)
    assert not {"postgres", "redis", "model"} & {service.name for service in stack.services}
    done = run_until_a_tenant_is_made(stack)
    assert done.returncode == 0, (
        done.stderr + tail(stack.logs / "provisioner.log", lines=40) + tail(stack.logs / "relay.log")
    )
    with psycopg.connect(given["DATABASE_URL"]) as app:
        assert app.execute("SELECT current_user, has_schema_privilege('org_own', 'USAGE')").fetchone() == (
            "guildhall_app", False,
        )  # fmt: skip
        app.execute("SET ROLE org_own")
        assert app.execute("SELECT count(*) > 0 FROM org_own.django_migrations").fetchone() == (True,)
