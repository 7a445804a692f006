"""Owners in lists of the console: by name, where a column keeps the reference of whoever acted."""

from collections.abc import Callable
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Substr

from guildhall.kernel.actor import ActorKind
from guildhall.owner.decorators import display
from tenants.models import User

FROM = len(f"{ActorKind.OWNER}:") + 1


def with_names(rows: QuerySet[Any], *columns: str) -> QuerySet[Any]:
    """The rows with the names behind these columns, for `by_name`; one query whatever their number."""
    named: QuerySet[Any] = rows.annotate(**{_name_of(column): _behind(column) for column in columns})
    return named


def by_name(column: str, description: str) -> Callable[[Any, Any], str]:
    """A column of the console that shows who is in `column`; whoever has no name here is shown as kept."""

    @display(description, ordering=column)
    def named(admin: Any, row: Any) -> str:
        return str(getattr(row, _name_of(column)) or getattr(row, column))

    return named


def _name_of(column: str) -> str:
    return f"{column}_name"


def _behind(column: str) -> Subquery:
    return Subquery(User.objects.filter(public_id=Substr(OuterRef(column), FROM)).values("name")[:1])
