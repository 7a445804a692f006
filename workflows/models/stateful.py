"""A base for rows whose state only a machine's table may move."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import models
from django_fsm import FSMFieldMixin


class StatefulModel(models.Model):
    """Refreshing may set a protected state: the library's mixin unprotects the class meanwhile, so threads meet."""

    class Meta:
        abstract = True

    def refresh_from_db(
        self, using: str | None = None, fields: Iterable[str] | None = None, from_queryset: Any = None
    ) -> None:
        wanted: Sequence[str] | None = None if fields is None else list(fields)
        for column in self._meta.concrete_fields:
            if isinstance(column, FSMFieldMixin) and column.protected and (wanted is None or column.attname in wanted):
                self.__dict__.pop(column.attname, None)
        super().refresh_from_db(using=using, fields=wanted, from_queryset=from_queryset)
