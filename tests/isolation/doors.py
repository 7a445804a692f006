"""The doors through which one tenant might reach another, each a row: how the attacker tries, given the victim.

A door is a function `(attacker, victim) -> Iterable[str]`: it uses one way in as the attacker and returns every text that
came back. It raises nothing for a refusal. Whoever adds a way in (a page, a socket, a tool) adds a row to `DOORS`.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import Error, connection, transaction

from guildhall.evidence import selectors, streams
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.events import Event
from guildhall.kernel.jobs import ForgedMessage, job, sign
from guildhall.kernel.tenancy import identity_scope, tenant_scope
from tests.isolation.agent_doors import agent_tools, plant_code
from tests.isolation.live_doors import listening
from tests.isolation.rooms import ask_api, ask_pages, furnish
from tests.support.pump import relay
from tests.support.tenants import TestTenant

Door = Callable[[TestTenant, TestTenant], Iterable[str]]
SAME_ID = 4_242_424


class Planted(Event):
    kind = "test.isolation.planted"
    marker: str


@governed("test.plant", lock=None)
def plant_event(*, actor: Actor, marker: str) -> None:
    """Two events: one about a thing that all have, one about a thing whose very name is the marker."""
    for name in (SAME_ID, marker):
        record(Planted(subject=f"thing:{name}", marker=marker), actor=actor)


@job("default")
def read_back() -> None:
    """A job that reads its tenant's evidence into `HEARD`."""
    HEARD.extend(str(entry) for entry in selectors.recent(limit=500))


HEARD: list[str] = []


@dataclass(frozen=True)
class Plant:
    """A tenant whose every corner holds its marker."""

    tenant: TestTenant
    marker: str


def plant(tenant: TestTenant, keys: Sequence[str]) -> Plant:
    """Put the tenant's marker, under ids that both tenants share, into every store that tenants have.

    `keys` are of its projects, each with work of all kinds.
    """
    marker = marker_of(tenant)
    furnish(tenant, marker, keys)
    inviter = tenant.actor("admin", name=marker)
    happen(tenant)  # a dead letter is about an event that has its place
    with tenant_scope(tenant.schema):
        plant_code(marker)
        cache.set("planted", marker)
        person = rows("SELECT user_id FROM comember")[0].split("|")[0]
        for statement in (
            "INSERT INTO tenants_invitation (id, tenant, email, roles, client, token_hash, invited_by, expires_at)"
            " OVERRIDING SYSTEM VALUE VALUES (DEFAULT, current_user, %(m)s, '{qa}', '', %(m)s, %(r)s, now())",
            "INSERT INTO tenants_apikey (tenant, user_id, name, prefix, key_hash, scopes)"
            " VALUES (current_user, %(p)s, %(m)s, 'gh_', left(%(m)s, 64), '{llm}')",
            "INSERT INTO tenants_session (session_key, session_data, expire_date, agent)"
            " VALUES (left(%(m)s, 40), %(m)s, now() + interval '1 h', %(m)s)",
            "INSERT INTO consumer_cursor (consumer, last_error) VALUES ('isolation', %(m)s)",
            "INSERT INTO dead_letter (consumer, position, error) SELECT 'isolation', max(position), %(m)s FROM outbox_event",
        ):
            with connection.cursor() as cursor:
                cursor.execute(statement, {"m": marker, "p": person, "r": inviter.ref})
        default_storage.save("planted.txt", ContentFile(marker.encode()))
    with identity_scope(), connection.cursor() as cursor:  # what only sign-in may touch, whoever it is about
        cursor.execute(
            "INSERT INTO tenants_handoff (token_hash, user_id, target, session, challenge, expires_at)"
            " VALUES (left(%(m)s, 64), %(p)s, %(t)s, left(%(m)s, 40), '', now() + interval '1 h')",
            {"m": marker, "p": person, "t": tenant.schema},
        )
        cursor.execute(
            "INSERT INTO tenants_passwordreset (token_hash, user_id, expires_at)"
            " VALUES (left(%(m)s, 64), %(p)s, now() + interval '1 h')",
            {"m": marker, "p": person},
        )
    return Plant(tenant, marker)


def marker_of(tenant: TestTenant) -> str:
    return f"MARKER-{tenant.schema}-MARKER"


def happen(tenant: TestTenant) -> str:
    """Something happens in a tenant and is announced; its marker, which the announcement bears."""
    with tenant_scope(tenant.schema):
        plant_event(actor=system_actor("planter", tenant.schema), marker=marker_of(tenant))
    relay()
    return marker_of(tenant)


def rows(query: str, parameters: Sequence[Any] = ()) -> list[str]:
    """What a statement answers as text, one line a row; nothing when the database refuses."""
    with suppress(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(query, list(parameters))
        return ["|".join(map(str, row)) for row in cursor.fetchall()] if cursor.description else []
    return []


def sql_shared_tables(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    with tenant_scope(attacker.schema):
        for table in _tables():
            yield from rows(f"SELECT t.* FROM {table} t")
            yield from rows(f"SELECT t.* FROM {table} t WHERE tenant = %s", [victim.schema])
            yield from rows(f"UPDATE {table} SET tenant = current_user WHERE tenant = %s RETURNING *", [victim.schema])


def sql_other_schema(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    with tenant_scope(attacker.schema):
        tables = rows("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = %s::regnamespace",
                      [victim.schema])  # fmt: skip
        for table in tables:
            yield from rows(f'SELECT * FROM {victim.schema}."{table}"')
        with suppress(Error), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('search_path', %s, true)", [victim.schema])
            for table in tables:
                yield from rows(f'SELECT * FROM "{table}"')


def sql_sign_in(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    """Hand-offs and password links have no tenant column: no tenant may touch them at all, its own members' neither."""
    with tenant_scope(attacker.schema):
        for table in ("tenants_handoff", "tenants_passwordreset"):
            yield from rows(f"SELECT * FROM {table}")
            yield from rows(f"DELETE FROM {table} RETURNING *")
            yield from rows(f"UPDATE {table} SET expires_at = now() RETURNING *")
        person = next(iter(rows("SELECT user_id FROM comember")), "0")
        yield from rows(
            "INSERT INTO tenants_handoff (token_hash, user_id, target, session, challenge, expires_at)"
            " SELECT 'forged', %s, %s, 'MARKER-' || %s || '-MARKER', '', now() RETURNING *",
            [person, victim.schema, victim.schema],
        )


def sql_functions(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    with tenant_scope(attacker.schema):
        yield from rows("SELECT * FROM tenant_of_host(%s)", [victim.host])
        yield from rows("SELECT query_to_xml('SELECT * FROM public.tenants_user', true, true, '')")
        yield from rows("SELECT schema_to_xml(%s::name, true, true, '')", [victim.schema])
        yield from rows("SELECT most_common_vals::text FROM pg_stats")


def evidence(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    with tenant_scope(attacker.schema):
        yield from map(str, selectors.events_after(0, 1000))
        yield from map(str, selectors.recent(limit=1000))
        yield from map(str, selectors.trail([f"thing:{SAME_ID}"], limit=1000))
        yield from map(str, streams.consumer_states())
        yield from rows("SELECT * FROM evidence.stream_health()")
        yield from map(str, streams.letters_for(attacker.actor("admin")))


def cached(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    with tenant_scope(attacker.schema):
        yield str(cache.get("planted"))
        yield str(cache.get(f"{victim.schema}:planted"))
    yield str(cache.get("planted"))


def files(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    with tenant_scope(attacker.schema):
        elsewhere = default_storage.path("planted.txt").replace(attacker.schema, victim.schema)
        for name in (
            "planted.txt",
            f"../{victim.schema}/planted.txt",
            f"x/../../{victim.schema}/planted.txt",
            elsewhere,
        ):
            with suppress(Exception), default_storage.open(name) as file:
                yield file.read().decode()


def celery_message(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    HEARD.clear()
    honest: dict[str, Any] = {"tenant": attacker.schema, "kwargs": {}, "operation": None, "trace": None}
    signature = sign(read_back.name, honest)
    read_back.task(envelope=honest, signature=signature)
    with suppress(ForgedMessage):
        read_back.task(envelope={**honest, "tenant": victim.schema}, signature=signature)
    yield from HEARD


def websocket(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    return listening(attacker, victim, happen)


def threads(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    """The attacker asks while the victim's own requests use the same pool."""
    heard: list[str] = []
    start = threading.Barrier(4)

    def work(mine: TestTenant, sink: list[str] | None) -> None:
        start.wait()
        for _ in range(15):
            with tenant_scope(mine.schema):
                answer = rows("SELECT * FROM tenants_invitation")
            if sink is not None:
                sink.extend(answer)
                sink.extend(rows("SELECT * FROM tenants_invitation"))
            connection.close()

    crowd = [(attacker, heard), (attacker, heard), (victim, None), (victim, None)]
    workers = [threading.Thread(target=work, args=pair) for pair in crowd]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return heard


def coroutines(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    def read(mine: TestTenant) -> list[str]:
        with tenant_scope(mine.schema):
            return rows("SELECT * FROM tenants_invitation")

    async def client(mine: TestTenant, sensitive: bool) -> list[str]:
        ask = database_sync_to_async(read, thread_sensitive=sensitive)
        return [text for _ in range(10) for text in await ask(mine)]

    async def crowd() -> list[str]:
        clients = [client(t, s) for t in (attacker, victim) for s in (True, False)]
        answers = await asyncio.gather(*clients)
        return [text for answer in answers[:2] for text in answer]

    return asyncio.run(crowd())


def _tables() -> list[str]:
    return rows("SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'v')"
                " AND relnamespace IN ('public'::regnamespace, 'evidence'::regnamespace)")  # fmt: skip


DOORS: dict[str, Door] = {
    "SQL: shared tables": sql_shared_tables,
    "SQL: the other's schema": sql_other_schema,
    "SQL: hand-offs and links": sql_sign_in,
    "SQL: functions and statistics": sql_functions,
    "evidence": evidence,
    "cache": cached,
    "files": files,
    "API": ask_api,
    "pages": ask_pages,
    "websocket": websocket,
    "agent tools": agent_tools,
    "Celery message": celery_message,
    "threads": threads,
    "coroutines": coroutines,
}
