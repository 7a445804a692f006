"""Role and search path of a connection: they go together, and they never reach the next user of the connection."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from channels.db import database_sync_to_async
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, ProgrammingError, connection, connections, transaction

from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.errors import TenantGone
from guildhall.kernel.postgres.base import close_pools
from guildhall.kernel.tenancy import (
    IDENTITY,
    NoTenant,
    ScopeInTransaction,
    current_scope_name,
    current_tenant,
    identity_scope,
    platform_scope,
    release_connection,
    tenant_scope,
)
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
APP = "guildhall_app"


def standing() -> tuple[str, str]:
    """Role and first schema of this thread's connection, as the server sees them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_schema()")
        role, schema = cursor.fetchone()
    return role, schema


NOWHERE = (APP, "public")


def of(tenant: TestTenant) -> tuple[str, str]:
    return tenant.schema, tenant.schema


class Boom(Exception):
    pass


@pytest.fixture
def tenant(residents: tuple[TestTenant, TestTenant]) -> TestTenant:
    return residents[0]


@pytest.fixture
def other_tenant(residents: tuple[TestTenant, TestTenant]) -> TestTenant:
    return residents[1]


def test_scope_sets_role_and_schema_together_and_takes_both_back(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        assert standing() == of(tenant)
        assert current_tenant() == tenant.schema
    assert standing() == NOWHERE
    assert current_scope_name() is None
    with pytest.raises(NoTenant):
        current_tenant()


@pytest.mark.parametrize(("scope", "role"), [(platform_scope, PLATFORM), (identity_scope, IDENTITY)])
def test_platform_and_sign_in_have_roles_of_their_own_and_are_no_tenant(
    database: None, scope: Callable[[], AbstractContextManager[None]], role: str
) -> None:
    with scope():
        assert standing() == (role, "public")
        with pytest.raises(NoTenant):
            current_tenant()


def test_nested_scopes_return_to_the_outer_one(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        with tenant_scope(other_tenant.schema):
            assert standing() == of(other_tenant)
        assert standing() == of(tenant)
        with pytest.raises(Boom), platform_scope():
            raise Boom
        assert standing() == of(tenant)


def test_exception_leaves_nothing_on_the_pooled_connection(tenant: TestTenant) -> None:
    close_pools()  # so that the pool holds this test's connection alone
    with pytest.raises(Boom), tenant_scope(tenant.schema):
        backend = _backend()
        raise Boom
    connection.close()
    assert (_backend(), standing()) == (backend, NOWHERE), "the same connection came back from the pool"


def test_the_pool_itself_keeps_no_role(tenant: TestTenant) -> None:
    close_pools()
    with tenant_scope(tenant.schema):
        backend = _backend()
    connection.close()
    pool: Any = connections["default"]
    with pool.pool.connection() as raw:
        row = raw.execute("SELECT pg_backend_pid(), current_user, current_schema()").fetchone()
    assert row == (backend, *NOWHERE)


def test_connection_that_the_server_ended_meanwhile_is_not_handed_out(tenant: TestTenant) -> None:
    close_pools()
    with tenant_scope(tenant.schema):
        backend = _backend()
    connection.close()
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        assert other.execute("SELECT pg_terminate_backend(%s, 10000)", [backend]).fetchone() == (True,)
    with tenant_scope(tenant.schema):
        assert (_backend() != backend, standing()) == (True, of(tenant))


def test_failed_statement_in_a_transaction_leaves_nothing(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        assert standing() == of(tenant)
    with tenant_scope(other_tenant.schema):
        assert standing() == of(other_tenant)


def test_rollback_of_the_transaction_that_switched_is_noticed(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with tenant_scope(other_tenant.schema):
        standing()
    with tenant_scope(tenant.schema):
        with pytest.raises(Boom), transaction.atomic():
            assert standing() == of(tenant), "the switch is part of this transaction"
            raise Boom
        assert standing() == of(tenant), "PostgreSQL took the switch back with the transaction"


def test_savepoint_rollback_is_noticed(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with tenant_scope(other_tenant.schema):
        standing()
    with tenant_scope(tenant.schema), transaction.atomic():
        with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        assert standing() == of(tenant)
        with pytest.raises(Boom), transaction.atomic():
            raise Boom
        assert standing() == of(tenant)


def test_switching_in_a_transaction_is_refused(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema), transaction.atomic():
        with pytest.raises(ScopeInTransaction), tenant_scope(other_tenant.schema):
            pass
        with pytest.raises(ScopeInTransaction):
            release_connection()
        with tenant_scope(tenant.schema):
            assert standing() == of(tenant)
    with transaction.atomic(), pytest.raises(ScopeInTransaction), tenant_scope(tenant.schema):
        pass


@pytest.mark.parametrize("name", ["", "public", "evidence", "pg_catalog", APP, 'org_a", public', "org_A", "org_a\n"])
def test_only_a_tenants_name_can_be_entered(database: None, name: str) -> None:
    with pytest.raises(NoTenant), tenant_scope(name):
        pass


def test_unknown_tenant_fails_instead_of_reading_something_else(database: None) -> None:
    with tenant_scope("org_nobody_has_this"), pytest.raises(TenantGone, match="org_nobody_has_this"):
        standing()
    assert standing() == NOWHERE


def test_a_released_connection_is_set_again(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        standing()
        release_connection()
        with tenant_scope(tenant.schema):
            assert standing() == of(tenant)
        assert standing() == of(tenant)


def test_killed_connection_comes_back_in_its_scope(tenant: TestTenant, services: Any) -> None:
    with tenant_scope(tenant.schema):
        with psycopg.connect(services.postgres.url("postgres"), autocommit=True) as superuser:
            superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [_backend()])
        with pytest.raises(Error):
            standing()
        release_connection()
        assert standing() == of(tenant)
    assert standing() == NOWHERE


def test_connection_killed_in_a_transaction_commits_nothing_elsewhere(
    tenant: TestTenant, other_tenant: TestTenant, services: Any
) -> None:
    with tenant_scope(tenant.schema), pytest.raises(Error), transaction.atomic():
        with psycopg.connect(services.postgres.url("postgres"), autocommit=True) as superuser:
            superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [_backend()])
        standing()
    connection.close()
    with tenant_scope(other_tenant.schema):
        assert standing() == of(other_tenant)


def test_thread_starts_in_no_scope_and_reads_nothing(tenant: TestTenant) -> None:
    seen: list[Any] = []

    def work() -> None:
        try:
            seen.extend([current_scope_name(), standing()])
            _read("SELECT count(*) FROM tenants_membership")
        except ProgrammingError as error:
            seen.append(type(error.__cause__))
        finally:
            connection.close()

    with tenant_scope(tenant.schema):
        standing()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [None, NOWHERE, psycopg.errors.InsufficientPrivilege]


def test_thread_with_a_copied_context_still_reads_nothing(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        standing()
        inherited = contextvars.copy_context()
        seen: list[Any] = []

        def work() -> None:
            seen.append(standing())
            connection.close()

        thread = threading.Thread(target=inherited.run, args=[work])
        thread.start()
        thread.join()
    assert seen == [NOWHERE]


def test_threads_of_two_tenants_never_meet(tenant: TestTenant, other_tenant: TestTenant) -> None:
    wrong: list[Any] = []
    barrier = threading.Barrier(4)

    def work(mine: TestTenant) -> None:
        barrier.wait()
        try:
            for turn in range(60):
                with tenant_scope(mine.schema):
                    if turn % 3 == 0:
                        with transaction.atomic():
                            wrong.extend(s for s in [standing()] if s != of(mine))
                    else:
                        wrong.extend(s for s in [standing()] if s != of(mine))
                    if turn % 5 == 0:
                        release_connection()
                wrong.extend(s for s in [standing()] if s != NOWHERE)
                connection.close()
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[t]) for t in (tenant, other_tenant) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_async_code_of_two_tenants_never_meets(tenant: TestTenant, other_tenant: TestTenant) -> None:
    def read(mine: TestTenant, turn: int) -> tuple[str, str]:
        with tenant_scope(mine.schema):
            if turn % 4 == 0:
                try:
                    with transaction.atomic():
                        standing()
                        raise Boom
                except Boom:
                    pass
            return standing()

    async def client(mine: TestTenant, sensitive: bool) -> list[tuple[str, str]]:
        run = database_sync_to_async(read, thread_sensitive=sensitive)
        return [await run(mine, turn) for turn in range(20)]

    async def hammer() -> list[tuple[TestTenant, list[tuple[str, str]]]]:
        clients = [(t, s) for t in (tenant, other_tenant) for s in (True, False) for _ in range(3)]
        answers = await asyncio.gather(*(client(t, s) for t, s in clients))
        return [(t, answer) for (t, _), answer in zip(clients, answers, strict=True)]

    for mine, answers in asyncio.run(hammer()):
        assert set(answers) == {of(mine)}


def test_coroutine_cannot_enter_a_scope(tenant: TestTenant) -> None:
    async def enter() -> None:
        with tenant_scope(tenant.schema):
            await asyncio.sleep(0)

    with pytest.raises(SynchronousOnlyOperation, match="coroutine"):
        asyncio.run(enter())


def _backend() -> int:
    return int(_read("SELECT pg_backend_pid()")[0][0])


def _read(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


@pytest.fixture(autouse=True)
def _pool_is_used(database: None) -> None:
    assert settings.DATABASES["default"]["OPTIONS"]["pool"], "these tests are about pooled connections"
