"""Two acts at the same moment of which the database lets only one be: the refusal of the other.

An act is not tried again by itself: what its body did beside the database (files, git, other services) would be done
twice. Whoever asked is told to look and to try again; a consumer that met it is delivered the event again.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.apps import apps
from django.db import DatabaseError, IntegrityError, OperationalError, transaction

from guildhall.kernel.errors import GuildhallError

NOTHING_DONE = "Nothing of this was done; look again and repeat it."


class Clash(GuildhallError):
    """Another act at the same moment kept this one from being committed, and nothing of it was done.

    No `Conflict`: what takes a conflict to mean that somebody has done the thing already must try this again. It is still
    the database's error for those who look at that.
    """

    status = 409
    code = "conflict"
    title = "Conflict"


class Deadlocked(Clash, OperationalError):
    """Each held what the other wanted."""


class Taken(Clash, IntegrityError):
    """What this makes was made meanwhile, or what it names is gone."""


@contextmanager
def taken_raises(refusal: Exception) -> Iterator[None]:
    """Around the making of rows: where the database has such rows already, none is made and `refusal` is raised."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise refusal from error


def clash_of(error: DatabaseError) -> Clash | None:
    """The refusal that `error` comes to; None where it is no matter of two at once but a fault."""
    cause = error.__cause__
    match cause.sqlstate if isinstance(cause, psycopg.Error) else None:
        case "40P01" | "40001":
            return Deadlocked(f"Somebody else acted on the same at this moment. {NOTHING_DONE}")
        case "23505":
            return Taken(f"Such {_noun(cause)} was made at this moment by somebody else. {NOTHING_DONE}")
        case "23503":
            return Taken(f"What this is about was changed or taken away by somebody else. {NOTHING_DONE}")
    return None


def _noun(cause: BaseException | None) -> str:
    table = cause.diag.table_name if isinstance(cause, psycopg.Error) else ""
    name = next(
        (str(model._meta.verbose_name) for model in apps.get_models() if model._meta.db_table == table), "entry"
    )
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
