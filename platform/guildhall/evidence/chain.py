"""The chain over audit entries: how a link's hash is computed, how links are made and how they are verified.

hash(n) = SHA-256(hash(n-1) || position || canonical entry); hash(0) = SHA-256 of the tenant's name. The entry holds the
salted digest of its payload, so changing a payload breaks the entry's digest and erasing it breaks nothing.
"""

import hashlib
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from guildhall.evidence.writer import canonical, digested, payload_digest

logger = logging.getLogger(__name__)
LOCK_KEY = 7_461_002
BATCH = 2000
INTERVAL_SECONDS = 1.0
UNSEALED_TOO_LONG_SECONDS = 60
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PUBLISHED = re.compile(r"([a-z0-9_]+) ([0-9]+) ([0-9a-f]{64})")

Row = dict[str, Any]
UNSEALED = """
SELECT e.id, e.tenant, e.at, e.kind, e.action, e.outcome, e.subject, e.actor_ref, e.operation_id, e.trace_id,
    e.event_id, e.payload_digest
FROM evidence.audit_unsealed u JOIN evidence.audit_entry e ON e.id = u.entry_id ORDER BY e.id LIMIT %s
"""
LINKS = """
SELECT l.position, l.entry_id, l.hash, p.salt, p.body::text AS body,
    e.id, e.tenant, e.at, e.kind, e.action, e.outcome, e.subject, e.actor_ref, e.operation_id, e.trace_id,
    e.event_id, e.payload_digest
FROM evidence.audit_link l LEFT JOIN evidence.audit_entry e ON e.id = l.entry_id
LEFT JOIN evidence.audit_payload p ON p.entry_id = e.id AND p.tenant = e.tenant
WHERE l.tenant = %s ORDER BY l.position
"""


def link_hash(previous: bytes, position: int, entry: Row) -> bytes:
    """The 32-byte hash of `entry` at `position` after `previous`."""
    at: datetime = entry["at"]
    fields = {
        "id": entry["id"],
        "tenant": entry["tenant"],
        "at": (at - EPOCH) // timedelta(microseconds=1),
        "kind": entry["kind"],
        "action": entry["action"],
        "outcome": entry["outcome"],
        "subject": entry["subject"],
        "actor": entry["actor_ref"],
        "operation": str(entry["operation_id"]),
        "trace": entry["trace_id"],
        "event": entry["event_id"],
        "digest": bytes(entry["payload_digest"]).hex(),
    }
    return hashlib.sha256(previous + position.to_bytes(8, "big") + canonical(fields).encode()).digest()


def chain_start(tenant: str) -> bytes:
    """hash(0) of a tenant's chain."""
    return hashlib.sha256(f"guildhall audit chain of {tenant}".encode()).digest()


class Sealer:
    """Chains committed entries as the `guildhall_sealer` login and publishes each round's roots to `publish_to`."""

    def __init__(self, url: str, publish_to: Path) -> None:
        self._url = url
        self._publish_to = publish_to

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
        while not stop.is_set():
            if self.step(db) < BATCH:
                stop.wait(INTERVAL_SECONDS)

    def step(self, db: psycopg.Connection[Row]) -> int:
        """Seal up to one batch of committed entries; the number sealed."""
        with db.transaction():
            entries = db.execute(UNSEALED, [BATCH]).fetchall()
            by_tenant: dict[str, list[Row]] = {}
            for entry in entries:
                by_tenant.setdefault(entry["tenant"], []).append(entry)
            seals = [self._seal(db, tenant, rows) for tenant, rows in by_tenant.items()]
            db.execute("DELETE FROM evidence.audit_unsealed WHERE entry_id = ANY(%s)", [[e["id"] for e in entries]])
        self._publish(seals)
        return len(entries)

    def _seal(self, db: psycopg.Connection[Row], tenant: str, entries: list[Row]) -> str:
        last = db.execute(
            "SELECT position, hash FROM evidence.audit_link WHERE tenant = %s ORDER BY position DESC LIMIT 1", [tenant]
        ).fetchone()
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
        return f"{tenant} {position} {current.hex()}\n"

    def _publish(self, seals: list[str]) -> None:
        if seals:
            self._publish_to.parent.mkdir(parents=True, exist_ok=True)
            with self._publish_to.open("a") as file:
                file.writelines(seals)


@dataclass(frozen=True, slots=True)
class Broken:
    """The first thing wrong in a tenant's chain: at which position, in which entry, and what."""

    tenant: str
    position: int
    entry_id: int | None
    problem: str

    def __str__(self) -> str:
        entry = f", entry {self.entry_id}" if self.entry_id else ""
        return f"{self.tenant}: position {self.position}{entry}: {self.problem}"


def verify(db: psycopg.Connection[Row], tenant: str, published: Mapping[int, str]) -> Broken | None:
    """Recompute `tenant`'s whole chain and compare it with links, seals, payloads and the roots published outside.

    `published` maps position to root (hex), read before this is called: the database is looked at in one snapshot, so
    that a sealer at work breaks nothing. None when everything holds.
    """
    with db.transaction():
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        rows = db.execute("SELECT position, root FROM evidence.audit_seal WHERE tenant = %s", [tenant]).fetchall()
        seals = {row["position"]: bytes(row["root"]).hex() for row in rows}
        chain = _Chain(tenant, seals, published)
        for row in _links(db, tenant):
            if broken := chain.add(row):
                return broken
        return chain.end() or _unsealed(db, tenant, chain.position)


class _Chain:
    """A chain as it is recomputed, link by link."""

    def __init__(self, tenant: str, seals: Mapping[int, str], published: Mapping[int, str]) -> None:
        self.position = 0
        self._tenant = tenant
        self._hash = chain_start(tenant)
        self._claims = {"seal": seals, "published root": published}

    def add(self, row: Row) -> Broken | None:
        """Check the next link; what is wrong with it."""
        self.position += 1
        if row["position"] != self.position:
            return self._broken(f"the chain goes on at {row['position']}: a link is missing")
        if row["id"] is None:
            return self._broken("the entry is gone", row["entry_id"])
        if row["salt"] is not None and payload_digest(row["salt"], digested(row["body"])) != row["payload_digest"]:
            return self._broken("the payload does not fit its digest", row["id"])
        self._hash = link_hash(self._hash, self.position, row)
        if self._hash != row["hash"]:
            return self._broken("the entry was changed, moved or put in after it was sealed", row["id"])
        for source, roots in self._claims.items():
            if roots.get(self.position, self._hash.hex()) != self._hash.hex():
                return self._broken(f"the {source} does not fit the chain")
        return None

    def end(self) -> Broken | None:
        """Check that the chain is as long as its seals say, and that no seal was taken away."""
        last_claim = max((0, *self._claims["seal"], *self._claims["published root"]))
        if last_claim > self.position:
            return self._broken(f"the chain is cut off: there is a root of position {last_claim}", ahead=1)
        if gone := sorted({*self._claims["published root"], self.position} - {0, *self._claims["seal"]}):
            return Broken(self._tenant, gone[0], None, "the seal is gone")
        return None

    def _broken(self, problem: str, entry: int | None = None, *, ahead: int = 0) -> Broken:
        return Broken(self._tenant, self.position + ahead, entry, problem)


def _links(db: psycopg.Connection[Row], tenant: str) -> Iterator[Row]:
    with db.cursor("audit_chain") as cursor:
        cursor.execute(LINKS, [tenant])
        yield from cursor


def _unsealed(db: psycopg.Connection[Row], tenant: str, position: int) -> Broken | None:
    row = db.execute(
        "SELECT e.id, now() - e.at > make_interval(secs => %s) AS late, u.entry_id FROM evidence.audit_entry e"
        " LEFT JOIN evidence.audit_link l ON l.entry_id = e.id LEFT JOIN evidence.audit_unsealed u ON u.entry_id = e.id"
        " WHERE e.tenant = %s AND l.entry_id IS NULL ORDER BY u.entry_id NULLS FIRST, e.id LIMIT 1",
        [UNSEALED_TOO_LONG_SECONDS, tenant],
    ).fetchone()
    if row is None:
        return None
    if row["entry_id"] is None:
        problem = "the entry was taken out of the chain or never queued for sealing"
        return Broken(tenant, position + 1, row["id"], problem)
    if row["late"]:
        return Broken(tenant, position + 1, row["id"], f"not sealed for over {UNSEALED_TOO_LONG_SECONDS} s")
    return None


class UnreadableRoots(ValueError):
    """The file of published roots holds a line that the sealer did not write."""


def read_published(path: Path) -> dict[str, dict[int, str]]:
    """Published roots (hex) by tenant and position; an absent file has none. Raises `UnreadableRoots`.

    The first root of a position counts: a chain that was cut off and sealed anew publishes a second one.
    """
    roots: dict[str, dict[int, str]] = {}
    lines = path.read_text().splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        match = PUBLISHED.fullmatch(line)
        if match is None:
            raise UnreadableRoots(f"{path}, line {number}: not a published root")
        tenant, position, root = match.groups()
        roots.setdefault(tenant, {}).setdefault(int(position), root)
    return roots
