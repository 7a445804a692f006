"""What happens to the audit trail when its time is over: whole sealed months go, their roots stay.

Each month that goes is recorded twice: in the database, where the chain's verification begins behind it, and, before
that is committed, outside it. A chain that does not verify loses nothing: it is evidence.
"""

import logging
import threading
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from guildhall.evidence.chain import verify
from guildhall.evidence.roots import UnreadableRoots, publish_expired, read_expired, read_published

logger = logging.getLogger(__name__)
LOCK_KEY = 7_461_003
INTERVAL_SECONDS = 3600.0

Row = dict[str, Any]
DUE = """
SELECT s.tenant, date_trunc('month', s.at AT TIME ZONE 'UTC')::date AS period, max(s.position) AS position
FROM evidence.audit_seal s
WHERE s.at < (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => %s)) AT TIME ZONE 'UTC'
    AND s.position > coalesce((SELECT max(x.position) FROM evidence.audit_expired x WHERE x.tenant = s.tenant), 0)
GROUP BY 1, 2 ORDER BY 1, 2
"""
RECORD = """
INSERT INTO evidence.audit_expired (tenant, position, period, entries, root)
SELECT s.tenant, s.position, %(period)s,
    (SELECT count(*) FROM evidence.audit_link l WHERE l.tenant = s.tenant AND l.position <= s.position), s.root
FROM evidence.audit_seal s WHERE s.tenant = %(tenant)s AND s.position = %(position)s RETURNING root, entries
"""
DROPS = (
    "DELETE FROM evidence.audit_payload p USING evidence.audit_link l"
    " WHERE l.tenant = %(tenant)s AND l.position <= %(position)s AND p.entry_id = l.entry_id",
    "DELETE FROM evidence.audit_erasure r USING evidence.audit_link l"
    " WHERE l.tenant = %(tenant)s AND l.position <= %(position)s AND r.entry_id = l.entry_id",
    "WITH gone AS (DELETE FROM evidence.audit_link WHERE tenant = %(tenant)s AND position <= %(position)s"
    " RETURNING entry_id) DELETE FROM evidence.audit_entry e USING gone WHERE e.id = gone.entry_id",
)


class Expiry:
    """Drops months of every tenant's trail older than `months`, as the `guildhall_sealer` login."""

    def __init__(self, url: str, folder: Path, months: int) -> None:
        self._url = url
        self._folder = folder
        self._months = months

    def run(self, stop: threading.Event) -> None:
        """Look every hour until `stop`, beside sealing: a large month must not hold up a seal."""
        while not stop.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, row_factory=dict_row) as db:
                    self.sweep(db)
            except (psycopg.OperationalError, psycopg.InterfaceError, UnreadableRoots) as error:
                logger.warning("nothing of the audit trail expires now: %s", error)
            stop.wait(INTERVAL_SECONDS)

    def sweep(self, db: psycopg.Connection[Row]) -> int:
        """Drop every month that is due; how many. One that the database refuses is logged and stays."""
        held = db.execute("SELECT pg_try_advisory_lock(%s) AS mine", [LOCK_KEY]).fetchone()
        if not held or not held["mine"]:
            return 0
        try:
            return sum(self._drop(db, month) for month in db.execute(DUE, [self._months]).fetchall())
        finally:
            db.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])

    def _drop(self, db: psycopg.Connection[Row], month: Row) -> bool:
        tenant: str = month["tenant"]
        published, expired = read_published(self._folder), read_expired(self._folder)
        report = verify(db, tenant, published.get(tenant, {}), expired.get(tenant, {}))
        if report.broken:
            logger.error("%s %s has expired and is kept, as the chain is broken: %s", tenant, month["period"], report)
            return False
        try:
            with db.transaction():
                (row,) = db.execute(RECORD, month).fetchall()
                for statement in DROPS:
                    db.execute(statement, month)
                publish_expired(self._folder, tenant, month["position"], bytes(row["root"]))
        except psycopg.errors.InsufficientPrivilege as refusal:
            logger.error("%s %s does not expire: %s", tenant, month["period"], refusal)
            return False
        logger.info("%s: %s entries of %s have expired", tenant, row["entries"], f"{month['period']:%Y-%m}")
        return True
