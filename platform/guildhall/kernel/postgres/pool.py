"""What happens to a connection on its way back to the pool."""

from typing import Any

from psycopg import Connection


def reset_on_return(connection: Connection[Any]) -> None:
    """Psycopg pool callback: no role and no search path survives into the next user of the connection."""
    connection.execute("RESET ROLE; RESET search_path")
    connection.commit()
