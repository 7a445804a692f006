"""The relay: gives committed events their position per tenant, pushes them to live pages and wakes consumers.

One relay works at a time (an advisory lock); a second waits as a spare. Positions follow commit visibility: an event
that commits late gets a later position, so a reader that resumes by position never misses one. What the relay sends
after its commit may be lost when it dies; consumers are woken again by the scheduler and pages catch up by position.
"""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

logger = logging.getLogger(__name__)
LOCK_KEY = 7_461_001
BATCH = 500
POLL_SECONDS = 1.0

PLACE = """
WITH batch AS MATERIALIZED (
    SELECT id, tenant FROM evidence.outbox_event WHERE position IS NULL ORDER BY id LIMIT %s FOR UPDATE
), counted AS (
    SELECT tenant, count(*) AS n FROM batch GROUP BY tenant
), head AS (
    INSERT INTO evidence.outbox_head AS h (tenant, position)
    SELECT tenant, n FROM counted
    ON CONFLICT (tenant) DO UPDATE SET position = h.position + EXCLUDED.position
    RETURNING h.tenant, h.position
), placed AS (
    SELECT batch.id,
        head.position - counted.n + row_number() OVER (PARTITION BY batch.tenant ORDER BY batch.id) AS position
    FROM batch JOIN counted USING (tenant) JOIN head USING (tenant)
)
UPDATE evidence.outbox_event o SET position = placed.position FROM placed WHERE o.id = placed.id
RETURNING o.id, o.tenant, o.position, o.kind, o.version, o.subject, o.payload, o.actor, o.operation_id, o.at
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """One tenant's newly placed events, in position order."""

    tenant: str
    events: list[dict[str, Any]]


Sink = Callable[[Placed], None]


class Relay:
    """Reads as the `guildhall_relay` login at `url`; each sink gets every batch once, after it is committed."""

    def __init__(self, url: str, sinks: list[Sink]) -> None:
        self._url = url
        self._sinks = sinks

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`; a lost database connection is made again."""
        while not stop.is_set():
            try:
                self._work(stop)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                logger.warning("relay lost the database: %s", error)
                stop.wait(1.0)

    def _work(self, stop: threading.Event) -> None:
        with psycopg.connect(self._url, autocommit=True, row_factory=dict_row) as db:
            db.execute("LISTEN outbox")
            while not stop.is_set() and not _locked(db):
                stop.wait(1.0)
            while not stop.is_set():
                while self.step(db) == BATCH:
                    pass  # what is committed after a smaller batch sends a notification of its own
                for _ in db.notifies(timeout=POLL_SECONDS, stop_after=1):
                    pass

    def step(self, db: psycopg.Connection[dict[str, Any]]) -> int:
        """Place one batch and hand it on; the number of events placed."""
        rows = db.execute(PLACE, [BATCH]).fetchall()  # one statement: it is its own transaction
        by_tenant: dict[str, list[dict[str, Any]]] = {}
        for row in sorted(rows, key=lambda row: (row["tenant"], row["position"])):
            by_tenant.setdefault(row["tenant"], []).append(row)
        for tenant, events in by_tenant.items():
            for sink in self._sinks:
                try:
                    sink(Placed(tenant, events))
                except Exception:
                    logger.exception("a relay sink failed; pages catch up by position, consumers by the scheduler")
        return len(rows)


def _locked(db: psycopg.Connection[dict[str, Any]]) -> bool:
    row = db.execute("SELECT pg_try_advisory_lock(%s) AS mine", [LOCK_KEY]).fetchone()
    return bool(row and row["mine"])


def live_channel(tenant: str) -> str:
    """The Redis channel on which a tenant's placed events are announced."""
    return f"gh:live:{tenant}"


def announce(redis: Any) -> Sink:
    """A sink that publishes position, kind and subject (no payload: pages fetch what they may see) on Redis."""

    def sink(placed: Placed) -> None:
        pipe = redis.pipeline(transaction=False)
        for event in placed.events:
            message = {"position": event["position"], "kind": event["kind"], "subject": event["subject"]}
            pipe.publish(live_channel(placed.tenant), json.dumps(message))
        pipe.execute()

    return sink
