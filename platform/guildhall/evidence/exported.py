"""A tenant's evidence as lines of JSON, and verifying the chain of such lines as `verify` does that of the database.

The chain's lines hold, in its order, each link with its entry and payload; a payload's body is the text that the database
has, because its digest is taken of that.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from guildhall.evidence.chain import ERASURE, LINKS, Broken, Chain, Report, Row, chain_start

CHAIN, SEALS, EXPIRED = "audit/chain", "audit/seals", "audit/expired"
READERS = ("outbox_head", "consumer_cursor", "dead_letter")
BYTES = ("hash", "salt", "payload_digest")

_OWN: dict[str, tuple[LiteralString, LiteralString]] = {
    SEALS: ("audit_seal", "position"),
    EXPIRED: ("audit_expired", "position"),
    "audit/erasures": ("audit_erasure", "entry_id"),
    "events/outbox": ("outbox_event", "position, id"),
    "events/head": ("outbox_head", "position"),
    "events/cursors": ("consumer_cursor", "consumer"),
    "events/dead_letters": ("dead_letter", "id"),
}


def evidence_queries(tenant: str) -> Iterator[tuple[str, sql.Composed]]:
    """What there is of `tenant`: a name, and a query of its rows in order, whose text is all in it."""
    owner = sql.Literal(tenant)
    links = sql.SQL(LINKS.replace("%s", "{}")).format(sql.Literal(ERASURE), owner)
    yield CHAIN, links
    for name, (table, order) in _OWN.items():
        query = sql.SQL("SELECT * FROM evidence.{} WHERE tenant = {} ORDER BY {}")
        yield name, query.format(sql.Identifier(table), owner, sql.SQL(order))


def unfinished(db: psycopg.Connection[Any], tenant: str) -> str:
    """What sealer and relay still have to do with `tenant`'s evidence, as words; empty once it is at rest."""
    waiting = {
        "entries to be sealed": "SELECT FROM evidence.audit_unsealed WHERE tenant = %s",
        "payloads to be erased": "SELECT FROM evidence.audit_erasure WHERE tenant = %s AND done_at IS NULL",
        "events without a position": "SELECT FROM evidence.outbox_event WHERE tenant = %s AND position IS NULL",
    }
    return ", ".join(
        what
        for what, query in waiting.items()
        if db.execute(f"SELECT EXISTS ({query})".encode(), [tenant]).fetchone() == (True,)
    )


def chain_end(db: psycopg.Connection[Any], tenant: str) -> tuple[int, str]:
    """Position and root (hex) of the last seal of `tenant`'s chain; 0 and an empty text before the first."""
    query = "SELECT position, root FROM evidence.audit_seal WHERE tenant = %s ORDER BY position DESC LIMIT 1"
    row = db.execute(query, [tenant]).fetchone()
    return (int(row[0]), bytes(row[1]).hex()) if row else (0, "")


def drop_stream(db: psycopg.Connection[Any], tenant: str) -> None:
    """Take away what a leaving tenant's events carried, as the tables' owner.

    That there were such events stays, as the audit trail does until its months expire: each entry is of one.
    """
    db.execute("UPDATE evidence.outbox_event SET payload = '{}', actor = '{}' WHERE tenant = %s", [tenant])
    for table in READERS:
        db.execute(sql.SQL("DELETE FROM evidence.{} WHERE tenant = %s").format(sql.Identifier(table)), [tenant])


def verify_lines(
    tenant: str,
    lines: Callable[[str], Iterable[str]],
    published: Mapping[int, str],
    gone: Mapping[int, str],
    until: int,
) -> Report:
    """Recompute the chain of an export up to position `until` from its `lines` of each name.

    `published` and `gone` are the tenant's roots outside the database and those of what had expired.
    """
    seals = {row["position"]: _bytes(row["root"]).hex() for row in map(json.loads, lines(SEALS))}
    past = [(int(row["position"]), _bytes(row["root"])) for row in map(json.loads, lines(EXPIRED))]
    start = max(past, default=(0, chain_start(tenant)))
    chain = Chain(tenant, start, seals, {place: root for place, root in published.items() if place <= until})
    broken = chain.begin(gone)
    broken = broken or next((found for line in lines(CHAIN) if (found := chain.add(_link(line)))), None)
    broken = broken or chain.end()
    if broken is None and chain.position != until:
        broken = Broken(tenant, chain.position, None, f"the chain ends here, and the manifest says at {until}")
    return Report(tenant, chain.position - start[0], chain.erased, broken, expired=start[0])


def _link(line: str) -> Row:
    row: Row = json.loads(line)
    for name in BYTES:
        row[name] = None if row[name] is None else _bytes(row[name])
    row["at"] = None if row["at"] is None else datetime.fromisoformat(row["at"])
    return row


def _bytes(text: str) -> bytes:
    """What PostgreSQL writes as `\\x` and hex digits."""
    return bytes.fromhex(text.removeprefix("\\x"))
