"""django-tenants' PostgreSQL backend, with search path and role sent together and only when they must be.

django-tenants sends the search path before every cursor, or (TENANT_LIMIT_SET_CALLS) trusts a flag. Here the wrapper
remembers what the server was last told, forgets it whenever PostgreSQL may have forgotten it (connect, close, rollback,
rollback to a savepoint), and never swallows a failed switch.
"""

from collections.abc import Sequence
from typing import Any

from django.db import DataError, connections
from django_tenants.postgresql_backend import base as django_tenants_base
from psycopg.errors import InvalidParameterValue
from psycopg.pq import TransactionStatus

from guildhall.kernel.errors import TenantGone
from guildhall.kernel.postgres.forks import guard_forks
from guildhall.kernel.postgres.pool import hung_up, reset_on_return
from guildhall.kernel.postgres.scope import NOWHERE, Scope

SWITCH = "SELECT set_config('search_path', %s, false), set_config('role', %s, false)"


class DatabaseWrapper(django_tenants_base.DatabaseWrapper):  # type: ignore[misc]
    """`SWITCH_ROLES` False in the database settings (the owner's login) keeps the login's own role."""

    _setting_search_path: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.scope: Scope = NOWHERE
        self._applied: Scope | None = None
        super().__init__(*args, **kwargs)
        self._switch_roles = bool(self.settings_dict.get("SWITCH_ROLES", True))

    def enter(self, scope: Scope) -> None:
        """Make `scope` what the next statement runs in. Sends nothing by itself."""
        self.scope = scope

    def connect(self) -> None:
        self._applied = None
        super().connect()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection that the server has not ended while it lay in the pool."""
        connection = super().get_new_connection(conn_params)
        while self.pool and hung_up(connection):
            self.pool.putconn(connection)  # which discards it
            connection = super().get_new_connection(conn_params)
        return connection

    def close(self) -> None:
        self._applied = None
        super().close()

    def _close(self) -> None:
        if self.connection is not None and self.pool:
            reset_on_return(self.connection)
        super()._close()

    def rollback(self) -> None:
        self._applied = None
        super().rollback()

    def savepoint_rollback(self, sid: str) -> None:
        try:
            super().savepoint_rollback(sid)
        finally:
            self._applied = None

    def _wanted(self) -> Scope:
        if self._switch_roles:
            return self.scope
        # The owner migrates: django-tenants names the schema, the role stays the owner's own.
        schema: str = self.schema_name
        path: Sequence[str] = ("public",) if schema == "public" else (schema, "public")
        return Scope(role=None, path=(*path, "evidence"))

    def _handle_search_path(self, cursor: Any = None) -> None:
        wanted = self._wanted()
        if self._setting_search_path or self._applied == wanted:
            return
        if self.connection.info.transaction_status == TransactionStatus.INERROR:
            return  # only a rollback can succeed now, and it forgets what was applied
        self._setting_search_path = True
        self._applied = None
        own = self.connection.cursor() if cursor is None else cursor
        try:
            own.execute(SWITCH, [", ".join(f'"{part}"' for part in wanted.path), wanted.role or "none"])
            self._applied = wanted
        except (DataError, InvalidParameterValue) as refusal:  # which of them, the cursor decides
            raise TenantGone(f"There is no organisation {wanted.role} any more.") from refusal
        finally:
            self._setting_search_path = False
            if cursor is None:
                own.close()


def close_pools() -> None:
    """Close every pool of this process, before a fork or at shutdown."""
    for wrapper in connections.all(initialized_only=True):
        wrapper.close()
        if isinstance(wrapper, DatabaseWrapper) and wrapper.pool:
            wrapper.close_pool()


guard_forks()
