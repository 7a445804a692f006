"""The base of models with a protected state."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models.signals import class_prepared
from django_fsm import FSMFieldMixin

PAST = "__fake__"
"""Where Django says that the models are from that it makes for migrations."""


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


def listen() -> None:
    """From now on the fields of models that are made for migrations look at none of the models that are made after them.

    django-fsm has every field look for its transitions in every model that is made. Models of the past have none, and
    thousands of them are made by those who migrate an empty database: four seconds of eleven went into looking.
    """
    class_prepared.connect(_leave_alone)


def _leave_alone(sender: type[models.Model], **_: Any) -> None:
    if sender.__module__ == PAST:
        for field in sender._meta.local_fields:
            if isinstance(field, FSMFieldMixin):
                class_prepared.disconnect(field._collect_transitions)
