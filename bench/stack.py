"""A private PostgreSQL and Redis for one run of the benchmarks, and tenants in them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guildhall.embedded import roles
from guildhall.embedded.postgres import EmbeddedPostgres
from guildhall.embedded.redis import EmbeddedRedis

ROOT = Path(__file__).parents[1]
LOGINS = {
    "DATABASE_URL": roles.APP,
    "DATABASE_ADMIN_URL": roles.OWNER,
    "RELAY_DATABASE_URL": roles.RELAY,
    "SEALER_DATABASE_URL": roles.SEALER,
}


@contextmanager
def stack() -> Iterator[None]:
    """Start the servers (durable, as in production), migrate, set Django up; stop everything at the end."""
    with tempfile.TemporaryDirectory(prefix="guildhall-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        postgres, redis = EmbeddedPostgres(folder), EmbeddedRedis(folder)
        postgres.start()
        redis.start()
        try:
            os.environ.update({variable: postgres.url(login) for variable, login in LOGINS.items()})
            os.environ.update(
                REDIS_URL=redis.url,
                GUILDHALL_VAR=str(folder / "var"),
                SECRET_KEY="only-for-benchmarks-0123456789-0123456789",  # noqa: S106
                DJANGO_SETTINGS_MODULE="guildhall.settings",
                GUILDHALL_RATE_SIGNED_OUT="1000000000",
                GUILDHALL_RATE_PERSON="1000000000",
                GUILDHALL_RATE_TENANT="1000000000",
            )
            migrate = [sys.executable, str(ROOT / "manage.py"), "migrate_platform"]
            subprocess.run(migrate, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
            import django

            django.setup()
            yield
        finally:
            redis.stop()
            postgres.stop()
