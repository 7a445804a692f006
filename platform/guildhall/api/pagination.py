"""Cursor pagination: `?cursor=…&page_size=…`, newest first unless the view or `?ordering=` says otherwise."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import QuerySet
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from guildhall.kernel.errors import Invalid


class CursorPage(CursorPagination):
    """Pages of 50, at most 200, stable while rows are added.

    A view may name `orderings`: for each word that `?ordering=` accepts, the columns. The first is the default.
    """

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering: Any = "-id"

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        known: dict[str, tuple[str, ...]] = getattr(view, "orderings", {})
        if not known:
            columns = self.ordering
            return (columns,) if isinstance(columns, str) else tuple(columns)
        wanted = request.query_params.get("ordering") or next(iter(known))
        if wanted not in known:
            problem = f"Choose one of {', '.join(known)}."
            raise Invalid("It cannot be ordered like this.", fields={"ordering": [problem]})
        return known[wanted]

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError, DataError):
            # A cursor is text that anybody can write; what it says has to fit the columns.
            raise Invalid("This is no cursor of this list.", fields={"cursor": ["Use `next` or `previous`."]}) from None

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """What the API's description says, the orderings included."""
        parameters: list[dict[str, Any]] = [
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "From the `next` or `previous` of a page.",
                "schema": {"type": "string"},
            },
            {
                "name": "page_size",
                "in": "query",
                "required": False,
                "description": "Rows per page.",
                "schema": {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size},
            },
        ]
        known = list(getattr(view, "orderings", {}))
        if known:
            schema = {"type": "string", "enum": known, "default": known[0]}
            parameters.append({"name": "ordering", "in": "query", "required": False, "schema": schema})
        return parameters
