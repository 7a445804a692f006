"""The base of models with a protected state."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django_fsm import FSMFieldMixin


class StatefulModel(models.Model):
    """A model whose protected FSM fields can be refreshed from any thread.

    django-fsm-2's own mixin lifts the protection on the class while it refreshes; here the value is taken out of the
    instance first, which the protection allows.
    """

    class Meta:
        abstract = True

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Any] | None = None,
    ) -> None:
        wanted = None if fields is None else list(fields)
        for field in self._meta.concrete_fields:
            if isinstance(field, FSMFieldMixin) and field.protected and (wanted is None or field.attname in wanted):
                self.__dict__.pop(field.attname, None)
        super().refresh_from_db(using=using, fields=wanted, from_queryset=from_queryset)
