"""An event and an action for tests of evidence, a consumer's notebook, and hands on the relay."""

from collections.abc import Callable
from typing import Any, ClassVar

import psycopg
from django.conf import settings
from psycopg.rows import dict_row

from guildhall.evidence import selectors
from guildhall.evidence.auditing import erase_payloads
from guildhall.evidence.chain import Broken, Report, verify
from guildhall.evidence.relay import Relay
from guildhall.evidence.roots import read_published
from guildhall.evidence.sealing import Sealer
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.consumers import Consumer, Delivered
from guildhall.kernel.events import Event
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant


class Poked(Event):
    kind: ClassVar[str] = "test.thing.poked"
    times: int


class Prodded(Event):
    kind: ClassVar[str] = "test.thing.prodded"


@governed("thing.poke", lock=None)
def poke(*, actor: Actor, times: int, then: Callable[[], Any] = lambda: None, after: Any = None) -> None:
    record(Poked(subject="thing:1", times=times), actor=actor, after=after)
    then()


@governed("thing.prod", lock=None)
def prod(*, actor: Actor) -> None:
    record(Prodded(subject="thing:1"), actor=actor)


def pokes(tenant: TestTenant, count: int, start: int = 0) -> None:
    """Committed events with `times` from `start` on."""
    with tenant_scope(tenant.schema):
        for number in range(start, start + count):
            poke(actor=tenant.system(), times=number)


def place() -> None:
    """Give every committed event its position."""
    with psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        while Relay(settings.RELAY_DATABASE_URL, []).step(db):
            pass


def seal() -> None:
    """Seal every committed entry."""
    sealer = Sealer(settings.SEALER_DATABASE_URL, settings.SEALS_DIR)
    with psycopg.connect(settings.SEALER_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        while sealer.step(db):
            pass


def checked(tenant: TestTenant, *, published: bool = True) -> Broken | None:
    return report(tenant, published=published).broken


def report(tenant: TestTenant, *, published: bool = True) -> Report:
    roots = read_published(settings.SEALS_DIR).get(tenant.schema, {}) if published else None
    with psycopg.connect(settings.SEALER_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        return verify(db, tenant.schema, roots)


def wish(tenant: TestTenant) -> int:
    """The entry of a real wish to have a person's words forgotten, sealed."""
    person = tenant.actor("developer")
    with tenant_scope(tenant.schema):
        poke(actor=person, times=1)
        erase_payloads(actor=tenant.actor("admin"), about=person.ref, reason="They asked for it.")
    seal()
    with tenant_scope(tenant.schema):
        return int(selectors.recent(kinds=["evidence.payloads.erased"], limit=1)[0]["id"])


def a_consumer(name: str, handler: Callable[[Delivered], None]) -> Consumer:
    """A consumer of `Poked`, registered nowhere."""
    return Consumer(name, frozenset({Poked.kind}), handler)


def times(event: Delivered) -> int:
    assert isinstance(event.data, Poked)
    return event.data.times
