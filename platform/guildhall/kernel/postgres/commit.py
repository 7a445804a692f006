"""A statement and the COMMIT after it as one message, and the wait for the disk once its locks are gone.

What a statement locks is usually held until its client has heard of it, has asked for the commit, and the disk has the
commit. Where many want the same row, that wait is all they do. Here the server goes on by itself, and whoever waits for
the row has it before the disk has been waited for. The waits then share one write, because none holds what another needs.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection

# A commit of its own with something to write, as durable as the session's commits are. The log has one order: with it
# everything before it is on disk (and where replicas are waited for, with them).
ON_DISK = "SELECT pg_logical_emit_message(true, 'guildhall', '')"


def send_with_commit(statement: str, parameters: Mapping[str, Any]) -> list[Any]:
    """The rows of `statement`, the last of the open transaction, when that is committed and on disk.

    Where the statement fails nothing is committed, and the transaction is to be rolled back as after any other.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL synchronous_commit TO off; {statement}; COMMIT; {ON_DISK}", parameters)
        cursor.nextset()
        found: list[Any] = cursor.fetchall()
        return found
