"""Where the database connection stands: nowhere, in one tenant, at sign-in, or on the platform.

A tenant is a PostgreSQL schema and a PostgreSQL role of the same name, so row-level security on shared tables compares
a row's tenant with `current_user` and nothing that a statement could set. These helpers are the only way to touch
tenant data. They open no transaction. Outside of them a connection is the bare application login, which may read next
to nothing. A coroutine cannot enter one, because another coroutine of its thread would find itself in it: enter the
scope inside the function that is handed to a thread.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.utils.asyncio import async_unsafe

from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.postgres.scope import Scope, standing

if TYPE_CHECKING:
    from guildhall.kernel.postgres.base import DatabaseWrapper

IDENTITY = "guildhall_identity"
"""The role that sign-in and look-ups before a tenant is known run as."""

TENANT_SCHEMA = re.compile(r"org_[a-z0-9_]{1,48}\Z")


class NoTenant(RuntimeError):
    """Code that needs a tenant ran outside `tenant_scope`."""


class ScopeInTransaction(RuntimeError):
    """A scope cannot change inside a transaction: its rows would be another tenant's."""


def is_tenant_schema(name: str) -> bool:
    """Whether `name` has the form of a tenant's schema: `org_` and up to 48 of a-z, 0-9 and underscore."""
    return TENANT_SCHEMA.match(name) is not None


@contextmanager
def tenant_scope(schema: str) -> Iterator[None]:
    """Run as the tenant's own role, seeing its schema first, then the shared tables it may use."""
    if not is_tenant_schema(schema):
        raise NoTenant(f"not a tenant schema: {schema!r}")
    with _entered(Scope(role=schema, path=(schema, "public", "evidence"))):
        yield


@contextmanager
def platform_scope() -> Iterator[None]:
    """Run as the platform's own role, for owners and platform-wide jobs. It may read no tenant's schema."""
    with _entered(Scope(role=PLATFORM, path=("public", "evidence"))):
        yield


@contextmanager
def identity_scope() -> Iterator[None]:
    """Run as the role that may read users, memberships, sessions and keys, and nothing else."""
    with _entered(Scope(role=IDENTITY, path=("public",))):
        yield


@contextmanager
def _entered(scope: Scope) -> Iterator[None]:
    wrapper = _wrapper()
    before = wrapper.scope
    if wrapper.in_atomic_block and before != scope:
        raise ScopeInTransaction(f"cannot go from {before.role} to {scope.role} inside a transaction")
    token = standing.set(scope)
    wrapper.enter(scope)
    try:
        yield
    finally:
        wrapper.enter(before)
        standing.reset(token)


@async_unsafe("A coroutine cannot enter a scope: enter it inside the function that database_sync_to_async runs.")
def _wrapper() -> "DatabaseWrapper":
    return cast("DatabaseWrapper", connections[DEFAULT_DB_ALIAS])


def current_scope_name() -> str | None:
    """The tenant's schema, the platform's reserved name, the identity role, or None outside any scope."""
    return standing.get().role


def current_tenant() -> str:
    """The schema name of the tenant in whose scope this runs. Raises `NoTenant` outside one."""
    role = standing.get().role
    if role is None or not is_tenant_schema(role):
        raise NoTenant("no tenant is set here")
    return role


def release_connection() -> None:
    """Give the database connection back to the pool before a slow call; the scope is set anew on the next statement."""
    if connection.in_atomic_block:
        raise ScopeInTransaction("a model, git, CI or HTTP call inside a transaction")
    connection.close()
