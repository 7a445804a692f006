"""The embedded servers: who may enter, what survives a restart, and what a user other than ours can read."""

import stat

import psycopg
import pytest

from guildhall.embedded import roles
from tests.support.services import Services

pytestmark = pytest.mark.integration


def test_application_login_becomes_a_tenant_but_inherits_nothing(services: Services) -> None:
    with psycopg.connect(services.postgres.url(roles.OWNER), autocommit=True) as owner:
        owner.execute("CREATE ROLE org_embedded NOLOGIN")
        roles.grant_to_app(owner, "org_embedded")
        owner.execute("CREATE SCHEMA org_embedded")
        owner.execute("CREATE TABLE org_embedded.note (place vector(3))")
        owner.execute("GRANT USAGE ON SCHEMA org_embedded TO org_embedded")
        owner.execute("GRANT SELECT ON org_embedded.note TO org_embedded")
    with psycopg.connect(services.postgres.url(roles.APP), autocommit=True) as app:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("SELECT * FROM org_embedded.note")
        app.execute("SET ROLE org_embedded")
        assert app.execute("SELECT count(*) FROM org_embedded.note").fetchone() == (0,)


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE public.mine (a int)", "CREATE TEMP TABLE mine (a int)", "CREATE SCHEMA mine"]
)
@pytest.mark.parametrize("login", roles.LOGINS)
def test_application_logins_create_nothing(services: Services, login: str, statement: str) -> None:
    with (
        psycopg.connect(services.postgres.url(login), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


@pytest.mark.parametrize("login", [roles.APP, roles.OWNER, "postgres"])
def test_no_login_without_its_password(services: Services, login: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(dbname="guildhall", user=login, host=str(services.postgres.sockets), password="guessed")


def test_role_bootstrap_can_be_repeated_and_changes_a_password(services: Services) -> None:
    url = services.postgres.url(roles.OWNER)
    with psycopg.connect(url, autocommit=True) as owner:
        roles.ensure_roles(owner, {roles.SEALER: "another"})
        with psycopg.connect(
            dbname="guildhall", user=roles.SEALER, host=str(services.postgres.sockets), password="another"
        ) as sealer:
            assert sealer.execute("SELECT current_user").fetchone() == (roles.SEALER,)
    services.postgres.bootstrap()
    with psycopg.connect(services.postgres.url(roles.SEALER)) as sealer:
        assert sealer.execute("SELECT 1").fetchone() == (1,)


def test_secrets_are_readable_by_their_owner_alone(services: Services) -> None:
    assert stat.S_IMODE((services.folder / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((services.folder / "redis" / "redis.conf").stat().st_mode) == 0o600
    assert stat.S_IMODE(services.postgres.sockets.stat().st_mode) == 0o700
