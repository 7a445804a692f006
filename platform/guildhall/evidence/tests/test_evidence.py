"""Evidence as the application's login, on committed data."""

from typing import ClassVar

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg.rows import dict_row

from guildhall.evidence import selectors
from guildhall.evidence.chain import Sealer, verify
from guildhall.evidence.relay import Relay
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.events import Event
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


class Poked(Event):
    kind: ClassVar[str] = "test.thing.poked"
    times: int


@governed("thing.poke", lock=None)
def poke(*, actor: Actor, times: int) -> None:
    record(Poked(subject="thing:1", times=times), actor=actor)


def test_record_is_placed_and_sealed(tenant: TestTenant, tmp_path: object) -> None:
    with tenant_scope(tenant.schema):
        for n in range(5):
            poke(actor=tenant.actor("admin"), times=n)
    with psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        Relay(settings.RELAY_DATABASE_URL, []).step(db)
    with tenant_scope(tenant.schema):
        events = selectors.events_after(0)
    assert [e["position"] for e in events] == [1, 2, 3, 4, 5]
    with psycopg.connect(settings.SEALER_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        Sealer(settings.SEALER_DATABASE_URL, settings.SEAL_FILE).step(db)
        assert verify(db, tenant.schema, {}) is None


def test_other_schema_is_refused(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with (
        tenant_scope(tenant.schema),
        connection.cursor() as cursor,
        pytest.raises(Exception, match="permission denied"),
    ):
        cursor.execute(f'SELECT 1 FROM "{other_tenant.schema}".django_migrations')
