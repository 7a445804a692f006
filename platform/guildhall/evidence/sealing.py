"""The sealer: gives committed entries their places in the chain, never by insert order, and erases payloads on request."""

import logging
import threading
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from guildhall.evidence.chain import chain_start, link_hash
from guildhall.evidence.roots import publish, read_published

logger = logging.getLogger(__name__)
LOCK_KEY = 7_461_002
BATCH = 2000
INTERVAL_SECONDS = 1.0

Row = dict[str, Any]
UNSEALED = """
SELECT e.id, e.tenant, e.at, e.kind, e.action, e.outcome, e.subject, e.actor_ref, e.operation_id, e.trace_id,
    e.event_id, e.payload_digest
FROM evidence.audit_unsealed u JOIN evidence.audit_entry e ON e.id = u.entry_id ORDER BY e.id LIMIT %s
"""
LAST_SEALS = (
    "SELECT DISTINCT ON (tenant) tenant, position, root FROM evidence.audit_seal ORDER BY tenant, position DESC"
)
LAST_LINK = "SELECT position, hash FROM evidence.audit_link WHERE tenant = %s ORDER BY position DESC LIMIT 1"
LAST_EXPIRED = (
    "SELECT position, root AS hash FROM evidence.audit_expired WHERE tenant = %s ORDER BY position DESC LIMIT 1"
)
ERASE = """
WITH due AS (
    UPDATE evidence.audit_erasure SET done_at = now() WHERE done_at IS NULL RETURNING entry_id, tenant
)
DELETE FROM evidence.audit_payload p USING due WHERE p.entry_id = due.entry_id AND p.tenant = due.tenant
"""


class Sealer:
    """Chains committed entries as the `guildhall_sealer` login and publishes each round's roots to `folder`."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`; a lost database connection is made again."""
        while not stop.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, row_factory=dict_row) as db:
                    self._work(db, stop)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                logger.warning("sealer lost the database: %s", error)
                stop.wait(1.0)

    def _work(self, db: psycopg.Connection[Row], stop: threading.Event) -> None:
        while not stop.is_set():
            held = db.execute("SELECT pg_try_advisory_lock(%s) AS mine", [LOCK_KEY]).fetchone()
            if held and held["mine"]:
                break
            stop.wait(1.0)
        self.catch_up(db)
        while not stop.is_set():
            if self.step(db) < BATCH:
                stop.wait(INTERVAL_SECONDS)

    def catch_up(self, db: psycopg.Connection[Row]) -> None:
        """Publish the last roots that a sealer made and, because it died or the disk was full, did not publish."""
        published = read_published(self._folder)
        rows = db.execute(LAST_SEALS).fetchall()
        missing = [row for row in rows if row["position"] not in published.get(row["tenant"], {})]
        publish(self._folder, [(row["tenant"], row["position"], bytes(row["root"])) for row in missing])

    def step(self, db: psycopg.Connection[Row]) -> int:
        """Seal up to one batch of committed entries and erase what was asked for; the number of both."""
        with db.transaction():
            entries = db.execute(UNSEALED, [BATCH]).fetchall()
            by_tenant: dict[str, list[Row]] = {}
            for entry in entries:
                by_tenant.setdefault(entry["tenant"], []).append(entry)
            roots = [self._seal(db, tenant, rows) for tenant, rows in by_tenant.items()]
            db.execute("DELETE FROM evidence.audit_unsealed WHERE entry_id = ANY(%s)", [[e["id"] for e in entries]])
            erased = db.execute(ERASE).rowcount
        publish(self._folder, roots)
        return len(entries) + erased

    def _seal(self, db: psycopg.Connection[Row], tenant: str, entries: list[Row]) -> tuple[str, int, bytes]:
        last = db.execute(LAST_LINK, [tenant]).fetchone() or db.execute(LAST_EXPIRED, [tenant]).fetchone()
        position, current = (last["position"], bytes(last["hash"])) if last else (0, chain_start(tenant))
        links = []
        for entry in entries:
            position += 1
            current = link_hash(current, position, entry)
            links.append((tenant, position, entry["id"], current))
        with db.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO evidence.audit_link (tenant, position, entry_id, hash) VALUES (%s, %s, %s, %s)", links
            )
        db.execute(
            "INSERT INTO evidence.audit_seal (tenant, position, root) VALUES (%s, %s, %s)", [tenant, position, current]
        )
        return tenant, position, current
