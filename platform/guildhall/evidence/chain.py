"""The chain over audit entries: how a link's hash is computed, how links are made and how they are verified.

hash(n) = SHA-256(hash(n-1) || position || canonical entry); hash(0) = SHA-256 of the tenant's name. The entry holds the
salted digest of its payload, so changing a payload breaks the entry's digest and erasing it breaks nothing.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from guildhall.evidence.writer import canonical, digested, payload_digest

TOO_LONG_SECONDS = 15
"""After this an entry without a position, or a root that is not published, is a finding.

A sealer that runs has every entry within 5 s of its commit (it looks each second). What is compared here is the time at which
the entry's transaction began, and a sealer that died is started again and catches up first: three times the 5 s, so that a
finding is one that somebody has to look at, and none that is gone when they do.
"""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ERASURE = "evidence.payloads.erased"

Row = dict[str, Any]
LINKS = """
SELECT l.position, l.entry_id, l.hash, p.salt, p.body::text AS body,
    e.id, e.tenant, e.at, e.kind, e.action, e.outcome, e.subject, e.actor_ref, e.operation_id, e.trace_id,
    e.event_id, e.payload_digest, (a.id IS NOT NULL) AS erased
FROM evidence.audit_link l LEFT JOIN evidence.audit_entry e ON e.id = l.entry_id
LEFT JOIN evidence.audit_payload p ON p.entry_id = e.id AND p.tenant = e.tenant
LEFT JOIN evidence.audit_erasure r ON r.entry_id = e.id AND r.tenant = e.tenant
LEFT JOIN evidence.audit_entry a ON a.id = r.asked_by AND a.tenant = e.tenant AND a.kind = %s AND a.outcome = 'done'
    AND a.subject = e.actor_ref AND a.id > e.id
WHERE l.tenant = %s ORDER BY l.position
"""

UNFOUNDED = """
SELECT l.position, e.id, 'the entry is of no event that is in the outbox' AS problem
FROM evidence.audit_link l JOIN evidence.audit_entry e ON e.id = l.entry_id
WHERE l.tenant = %(tenant)s AND NOT EXISTS (
    SELECT FROM evidence.outbox_event o WHERE o.id = e.event_id AND o.tenant = e.tenant AND o.kind = e.kind
        AND o.subject = e.subject AND o.operation_id = e.operation_id)
UNION ALL
SELECT max(l.position), max(e.id), 'another entry is of the same event already'
FROM evidence.audit_link l JOIN evidence.audit_entry e ON e.id = l.entry_id
WHERE l.tenant = %(tenant)s GROUP BY e.event_id HAVING count(*) > 1
ORDER BY position LIMIT 1
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


@dataclass(frozen=True, slots=True)
class Report:
    """What verification of one chain found: how many entries it holds, how many payloads were erased, what is broken.

    `expired` is how many entries went before them when their time was over.
    """

    tenant: str
    entries: int
    erased: int
    broken: Broken | None
    expired: int = 0

    def __str__(self) -> str:
        if self.broken:
            return str(self.broken)
        erased = f", {self.erased} of their payloads erased" if self.erased else ""
        expired = f", {self.expired} before them expired" if self.expired else ""
        return f"{self.tenant}: {self.entries} entries, whole{erased}{expired}"


def verify(
    db: psycopg.Connection[Any],
    tenant: str,
    published: Mapping[int, str] | None,
    expired: Mapping[int, str] | None = None,
) -> Report:
    """Recompute `tenant`'s whole chain and compare it with links, seals, payloads and the roots published outside.

    `published` maps position to root (hex), read before this is called: the database is looked at in one snapshot, so
    that a sealer at work breaks nothing. None leaves the comparison out. `expired` is the same of the months that were
    dropped: where the chain begins is believed only if it was said outside the database too.
    """
    with db.transaction():
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        rows = _ask(
            db,
            "SELECT position, root, at < now() - make_interval(secs => %s) AS due FROM evidence.audit_seal"
            " WHERE tenant = %s",
            [TOO_LONG_SECONDS, tenant],
        )
        seals = {row["position"]: bytes(row["root"]).hex() for row in rows}
        due = max((row["position"] for row in rows if row["due"]), default=0)
        start = _start(db, tenant)
        chain = Chain(tenant, start, seals, {} if published is None else published)
        broken = chain.begin(None if published is None else expired or {})
        broken = broken or next((found for row in _links(db, tenant) if (found := chain.add(row))), None)
        broken = broken or chain.end() or _unfounded(db, tenant)
        broken = broken or _unsealed(db, tenant, chain.position)
        if broken is None and published is not None and due > max(published, default=0):
            broken = Broken(tenant, due, None, "the root was not published outside the database")
    return Report(tenant, chain.position - start[0], chain.erased, broken, expired=start[0])


class Chain:
    """A chain as it is recomputed, link by link, from the database or from an export of it."""

    def __init__(
        self, tenant: str, start: tuple[int, bytes], seals: Mapping[int, str], published: Mapping[int, str]
    ) -> None:
        self.position, self._hash = start
        self.erased = 0
        self._tenant = tenant
        self._start = self.position
        self._claims = {"seal": seals, "published root": published}

    def begin(self, expired: Mapping[int, str] | None) -> Broken | None:
        """Check that what lies before the first link has expired, by its seal and by what is said outside."""
        if self._start == 0:
            return None
        said = {} if expired is None else {"record outside the database of what has expired": expired}
        for source, roots in {**self._claims, **said}.items():
            needed = source != "published root"
            if roots.get(self._start, "" if needed else self._hash.hex()) != self._hash.hex():
                return self._broken(f"the chain is said to have expired up to here, and the {source} does not say so")
        return None

    def add(self, row: Row) -> Broken | None:
        """Check the next link; what is wrong with it."""
        self.position += 1
        if row["position"] > self.position == self._start + 1:
            return self._broken(f"everything before {row['position']} is gone and no expiry of it is recorded")
        if row["position"] != self.position:
            return self._broken(f"the chain goes on at {row['position']}: a link is missing")
        if row["id"] is None:
            return self._broken("the entry is gone", row["entry_id"])
        if row["salt"] is None and not row["erased"]:
            return self._broken("the payload is gone and nobody had it erased", row["id"])
        self.erased += row["salt"] is None
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


def _start(db: psycopg.Connection[Any], tenant: str) -> tuple[int, bytes]:
    """Where the chain begins: the position and hash before its first link."""
    query = "SELECT position, root FROM evidence.audit_expired WHERE tenant = %s ORDER BY position DESC LIMIT 1"
    rows = _ask(db, query, [tenant])
    return (rows[0]["position"], bytes(rows[0]["root"])) if rows else (0, chain_start(tenant))


def _links(db: psycopg.Connection[Any], tenant: str) -> Iterator[Row]:
    with db.cursor("audit_chain", row_factory=dict_row) as cursor:
        cursor.execute(LINKS, [ERASURE, tenant])
        yield from cursor


def _unfounded(db: psycopg.Connection[Any], tenant: str) -> Broken | None:
    """The first sealed entry that was not written with an event: put in beside the application, before it was sealed."""
    rows = _ask(db, UNFOUNDED, {"tenant": tenant})
    return Broken(tenant, rows[0]["position"], rows[0]["id"], rows[0]["problem"]) if rows else None


def _ask(db: psycopg.Connection[Any], query: LiteralString, parameters: list[Any] | dict[str, Any]) -> list[Row]:
    with db.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


def _unsealed(db: psycopg.Connection[Any], tenant: str, position: int) -> Broken | None:
    rows = _ask(
        db,
        "SELECT e.id, now() - e.at > make_interval(secs => %s) AS late, u.entry_id FROM evidence.audit_entry e"
        " LEFT JOIN evidence.audit_link l ON l.entry_id = e.id LEFT JOIN evidence.audit_unsealed u ON u.entry_id = e.id"
        " WHERE e.tenant = %s AND l.entry_id IS NULL ORDER BY u.entry_id NULLS FIRST, e.id LIMIT 1",
        [TOO_LONG_SECONDS, tenant],
    )
    if not rows:
        return None
    row = rows[0]
    if row["entry_id"] is None:
        problem = "the entry was taken out of the chain or never queued for sealing"
        return Broken(tenant, position + 1, row["id"], problem)
    if row["late"]:
        return Broken(tenant, position + 1, row["id"], f"not sealed for over {TOO_LONG_SECONDS} s")
    return None
