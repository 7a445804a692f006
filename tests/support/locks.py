"""Who waits for whom in the database."""

import psycopg


def waits_for(login: str, other: psycopg.Connection) -> bool:
    """Whether anybody waits for that connection's transaction to end."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
    with psycopg.connect(login) as watch:
        return watch.execute(asked, [other.info.backend_pid]).fetchall() != [(0,)]
