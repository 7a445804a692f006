"""Durable consumers: at least once, in order, leased, fenced, retried, and in the end kept as a dead letter."""

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import connection

from guildhall.evidence import selectors
from guildhall.evidence.actions import retry_letters
from guildhall.evidence.delivery import deliver, replay
from guildhall.evidence.models import ConsumerCursor, DeadLetter
from guildhall.evidence.relay import Placed
from guildhall.evidence.tasks import wake_consumers, wake_lagging
from guildhall.evidence.tests.poking import Poked, a_consumer, place, pokes, prod, times
from guildhall.kernel import consumers
from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.consumers import TRIES, Consumer, Delivered, consumer
from guildhall.kernel.errors import NotFound
from guildhall.kernel.tenancy import current_scope_name, tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


class Notebook:
    """A handler that writes down what it got and fails as told."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.fail_at: set[int] = set()

    def __call__(self, event: Delivered) -> None:
        self.seen.append(times(event))
        if times(event) in self.fail_at:
            raise ValueError(f"not today\x00: {settings.VAR_DIR}/shop.git is away")


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def reader(notebook: Notebook) -> Consumer:
    return a_consumer("test.notebook", notebook)


def lag(tenant: TestTenant) -> dict[str, Any]:
    """How far the notebook's consumer is. It is registered nowhere, so its rows are asked."""
    with tenant_scope(tenant.schema):
        cursor = ConsumerCursor.objects.get(consumer="test.notebook")
        letters = DeadLetter.objects.waiting().filter(consumer="test.notebook").count()
        behind = selectors.head_position() - cursor.position
        return {"lag": behind, "error": cursor.last_error, "dead_letters": letters}


def go(tenant: TestTenant, reader: Consumer) -> int:
    with tenant_scope(tenant.schema):
        return deliver(reader)


def change_cursor(tenant: TestTenant, assignment: str) -> None:
    with tenant_scope(tenant.schema), connection.cursor() as cursor:
        cursor.execute(f"UPDATE consumer_cursor SET {assignment} WHERE consumer = 'test.notebook'")


def test_each_event_once_in_order_and_only_of_its_kinds(
    tenant: TestTenant, reader: Consumer, notebook: Notebook
) -> None:
    pokes(tenant, 3)
    with tenant_scope(tenant.schema):
        prod(actor=tenant.system())
    pokes(tenant, 130, start=3)
    assert go(tenant, reader) == 0, "what has no position yet is not there yet"
    place()
    go(tenant, reader)
    assert notebook.seen == list(range(133))
    assert (lag(tenant)["lag"], go(tenant, reader)) == (0, 0)
    with tenant_scope(tenant.schema):
        prod(actor=tenant.system())
    place()
    assert (go(tenant, reader), lag(tenant)["lag"]) == (1, 0)


def test_handler_stands_in_its_tenants_scope_outside_any_transaction(tenant: TestTenant) -> None:
    seen: list[Any] = []

    def look(event: Delivered) -> None:
        seen.append((current_scope_name(), event.tenant, connection.in_atomic_block, event.actor["ref"]))

    pokes(tenant, 1)
    place()
    go(tenant, a_consumer("test.look", look))
    assert seen == [(tenant.schema, tenant.schema, False, "system:system")]


def test_failure_waits_then_is_tried_again_and_nothing_overtakes_it(
    tenant: TestTenant, reader: Consumer, notebook: Notebook
) -> None:
    notebook.fail_at = {1}
    pokes(tenant, 3)
    place()
    go(tenant, reader)
    assert notebook.seen == [0, 1]
    assert lag(tenant)["error"] == "ValueError: not today: …/shop.git is away"
    go(tenant, reader)
    assert notebook.seen == [0, 1], "not before its time"
    with tenant_scope(tenant.schema), connection.cursor() as cursor:
        cursor.execute("SELECT retry_at - now() BETWEEN '0.5 s' AND '2 s', leased_until FROM consumer_cursor"
                       " WHERE consumer = 'test.notebook'")  # fmt: skip
        assert cursor.fetchone() == (True, None)
    change_cursor(tenant, "retry_at = now()")
    notebook.fail_at = set()
    go(tenant, reader)
    assert notebook.seen == [0, 1, 1, 2]
    assert (lag(tenant)["error"], lag(tenant)["lag"]) == ("", 0)


def test_hopeless_event_becomes_a_dead_letter_and_can_be_replayed(
    tenant: TestTenant, reader: Consumer, notebook: Notebook
) -> None:
    notebook.fail_at = {1}
    pokes(tenant, 3)
    place()
    for _ in range(TRIES):
        go(tenant, reader)
        change_cursor(tenant, "retry_at = NULL")
    assert notebook.seen == [0, *[1] * TRIES, 2]
    assert (lag(tenant)["lag"], lag(tenant)["dead_letters"]) == (0, 1)
    with tenant_scope(tenant.schema):
        position = next(e["position"] for e in selectors.events_after(0) if e["payload"].get("times") == 1)
        with pytest.raises(ValueError, match="not today"):
            replay(reader, position)
        notebook.fail_at = set()
        replay(reader, position)
        with pytest.raises(NotFound):
            replay(reader, position)
    assert lag(tenant)["dead_letters"] == 0
    assert notebook.seen[-2:] == [1, 1]


def test_reader_that_lost_its_lease_moves_nothing(tenant: TestTenant, notebook: Notebook) -> None:
    def slow(event: Delivered) -> None:
        notebook(event)
        if len(notebook.seen) == 1:
            change_cursor(tenant, "leased_until = now() - interval '1 s'")
            with tenant_scope(tenant.schema):
                deliver(a_consumer("test.notebook", notebook))
            pokes(tenant, 1, start=9)
            place()

    pokes(tenant, 3)
    place()
    go(tenant, a_consumer("test.notebook", slow))
    assert notebook.seen == [0, 0, 1, 2], "at least once; the late one stopped after its own event"
    assert lag(tenant)["lag"] == 1
    go(tenant, a_consumer("test.notebook", notebook))
    assert notebook.seen == [0, 0, 1, 2, 9]


def test_reader_that_lost_its_lease_calls_nothing_dead(tenant: TestTenant, notebook: Notebook) -> None:
    def slow(event: Delivered) -> None:
        change_cursor(tenant, "leased_until = now() - interval '1 s'")
        with tenant_scope(tenant.schema):
            deliver(a_consumer("test.notebook", notebook))
        raise ValueError("too late")

    pokes(tenant, 1)
    place()
    go(tenant, a_consumer("test.notebook", notebook))
    pokes(tenant, 1, start=1)
    place()
    change_cursor(tenant, f"attempts = {TRIES - 1}")
    go(tenant, a_consumer("test.notebook", slow))
    assert (lag(tenant)["dead_letters"], lag(tenant)["lag"], lag(tenant)["error"]) == (0, 0, "")


def test_reader_that_died_is_followed_by_another_after_its_lease(
    tenant: TestTenant, reader: Consumer, notebook: Notebook
) -> None:
    pokes(tenant, 2)
    place()
    go(tenant, reader)
    change_cursor(tenant, "position = 0, lease_token = gen_random_uuid(), leased_until = now() + interval '1 min'")
    assert go(tenant, reader) == 0
    change_cursor(tenant, "leased_until = now() - interval '1 s'")
    go(tenant, reader)
    assert notebook.seen == [0, 1, 0, 1]


def test_two_workers_at_once_share_one_stream(tenant: TestTenant, reader: Consumer, notebook: Notebook) -> None:
    pokes(tenant, 60)
    place()
    start = threading.Barrier(3)

    def work() -> None:
        start.wait()
        go(tenant, reader)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    go(tenant, reader)
    assert notebook.seen == list(range(60))


def test_unknown_kind_is_a_failure_not_a_loss(tenant: TestTenant, reader: Consumer) -> None:
    with tenant_scope(tenant.schema), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outbox_event (kind, version, subject, payload, actor, operation_id, trace_id)"
            " VALUES (%s, 99, 'x', '{}', '{}', gen_random_uuid(), '')",
            [Poked.kind],
        )
    place()
    go(tenant, reader)
    assert "UnknownEvent" in lag(tenant)["error"]


@pytest.fixture
def registered(reader: Consumer) -> Iterator[Consumer]:
    known = dict(consumers._consumers)
    consumer("test.notebook", kinds=[Poked])(reader.handler)
    yield reader
    consumers._consumers.clear()
    consumers._consumers.update(known)


def test_a_wish_to_try_letters_again_is_carried_out_once_however_often_it_is_told(
    tenant: TestTenant, registered: Consumer, notebook: Notebook
) -> None:
    notebook.fail_at = {0}
    pokes(tenant, 1)
    place()
    for _ in range(TRIES):
        go(tenant, registered)
        change_cursor(tenant, "retry_at = NULL")
    with tenant_scope(tenant.schema):
        retry_letters(actor=tenant.actor("admin"), consumer="test.notebook")
    place()
    letters = consumers.registered_consumers()["evidence.letters"]
    go(tenant, letters)
    assert notebook.seen == [0] * (TRIES + 1)
    with tenant_scope(tenant.schema):
        ConsumerCursor.objects.filter(consumer="evidence.letters").update(position=0)
    assert go(tenant, letters) > 0
    assert notebook.seen == [0] * (TRIES + 1), "one that failed again waits for a new wish"
    assert lag(tenant)["dead_letters"] == 1


@pytest.fixture
def alone(registered: Consumer) -> Consumer:
    """The only consumer there is: what the many tenants of other tests left lying wakes nobody meanwhile."""
    consumers._consumers.clear()
    consumers._consumers[registered.name] = registered
    return registered


def woken() -> set[tuple[str, str]]:
    """Takes every wake-up off the events queue: tenant and consumer."""
    broker = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    found = set()
    while message := broker.lpop("events"):
        envelope = json.loads(base64.b64decode(json.loads(str(message))["body"]))[1]["envelope"]
        found.add((envelope["tenant"], envelope["kwargs"]["consumer"]))
    return found


def test_placed_kinds_wake_who_is_concerned(tenant: TestTenant, registered: Consumer) -> None:
    woken()
    sink = wake_consumers()
    sink(Placed(tenant.schema, [{"kind": "test.thing.prodded"}]))
    sink(Placed(PLATFORM, [{"kind": Poked.kind}]))
    assert woken() == set()
    sink(Placed(tenant.schema, [{"kind": Poked.kind}]))
    assert (tenant.schema, "test.notebook") in woken()


def test_lagging_readers_are_woken_unless_somebody_is_at_it(tenant: TestTenant, alone: Consumer) -> None:
    me = (tenant.schema, "test.notebook")

    def wakes() -> bool:
        woken()
        wake_lagging()
        return me in woken()

    pokes(tenant, 1)
    place()
    assert wakes()
    go(tenant, alone)
    assert not wakes()
    change_cursor(tenant, "position = 0, leased_until = now() + interval '1 min'")
    assert not wakes()
    change_cursor(tenant, "leased_until = now() - interval '1 s'")
    assert wakes()
    change_cursor(tenant, "retry_at = now() + interval '1 min'")
    assert not wakes()


def test_dropped_tenants_wake_nobody(tenant: TestTenant, alone: Consumer, tmp_path: Path) -> None:
    pokes(tenant, 1)
    place()
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as owner:
        owner.execute(f"DROP SCHEMA {tenant.schema} CASCADE".encode())
        owner.execute(f"DROP ROLE {tenant.schema}".encode())
    woken()
    wake_lagging()
    assert tenant.schema not in {name for name, _ in woken()}
