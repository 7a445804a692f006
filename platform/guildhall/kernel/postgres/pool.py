"""What happens to a connection on its way back to the pool."""

from contextlib import suppress
from typing import Any

from psycopg import Connection, Error
from psycopg.pq import TransactionStatus


def reset_on_return(connection: Connection[Any]) -> None:
    """No role and no search path survives into the next user of the connection.

    The pool's own `reset` would hand this to another thread, which costs more than the statement. A connection that
    cannot be reset is closed, and the pool discards it.
    """
    try:
        if connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            connection.rollback()
        connection.execute("RESET ROLE; RESET search_path")
        connection.commit()
    except Error:
        with suppress(Error):
            connection.close()


def hung_up(connection: Connection[Any]) -> bool:
    """Whether the server has ended `connection` meanwhile, told from what has arrived already: nothing is sent."""
    try:
        connection.pgconn.consume_input()  # the server's last words, if there are any
        connection.pgconn.consume_input()  # and the end of the stream behind them
    except Error:
        return True
    return connection.closed
