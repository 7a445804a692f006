"""What agents may do so many times an hour or a day, counted in the database: no restart forgives any of it."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.db import connection

from governance.selectors.policy import active_policy
from guildhall.kernel.errors import RateLimited


class Limited(StrEnum):
    CHANGE_REQUESTS = "change_requests"
    AGENT_RUNS = "agent_runs"


UNITS = {Limited.CHANGE_REQUESTS: "hour", Limited.AGENT_RUNS: "day"}
WORDS = {Limited.CHANGE_REQUESTS: "change requests an hour", Limited.AGENT_RUNS: "agent runs a day"}
LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
TAKE = """
INSERT INTO governance_allowance AS a (name, began, used)
SELECT %(name)s, date_trunc(%(unit)s, statement_timestamp(), 'UTC'), 1 WHERE %(limit)s > 0
ON CONFLICT (name, began) DO UPDATE SET used = a.used + 1 WHERE a.used < %(limit)s
RETURNING used
"""


def left_of(limited: Limited) -> int:
    """How many more the present window allows."""
    limit, unit = _limit(limited), UNITS[limited]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT used FROM governance_allowance"
            " WHERE name = %s AND began = date_trunc(%s, statement_timestamp(), 'UTC')",
            [str(limited), unit],
        )
        row = cursor.fetchone()
    return max(limit - (row[0] if row else 0), 0)


def _limit(limited: Limited) -> int:
    rules = active_policy().document.rate_limits
    return rules.change_requests_per_hour if limited is Limited.CHANGE_REQUESTS else rules.agent_runs_per_day


def take_allowance(limited: Limited) -> None:
    """Use one of the present window's (UTC) allowance, in the open transaction: rolled back, it was not used.

    Whoever comes while another has not committed waits for it. Raises `RateLimited` with `retry_after` in seconds.
    """
    limit, unit = _limit(limited), UNITS[limited]
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"name": str(limited), "unit": unit, "limit": limit})
        if cursor.fetchone() is not None:
            return
        cursor.execute("SELECT clock_timestamp(), date_trunc(%s, clock_timestamp(), 'UTC')", [unit])
        now, began = cursor.fetchone() or (datetime.now(UTC), datetime.now(UTC))
    ends: datetime = began + LENGTHS[unit]
    seconds = max(1, int((ends - now).total_seconds()) + 1)
    raise RateLimited(
        f"{limit} {WORDS[limited]} are allowed, and they are used up until {ends:%H:%M} UTC.",
        retry_after=seconds,
        limit=limit,
        window=unit,
    )
