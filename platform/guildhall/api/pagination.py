"""Cursor pagination: `?cursor=…&page_size=…`, newest first unless the view orders otherwise."""

from rest_framework.pagination import CursorPagination


class CursorPage(CursorPagination):
    """Pages of 50, at most 200, stable while rows are added."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = "-id"
