"""Rows are stored without secrets: every text and JSON value of our own models is redacted before it is written.

`save` and `create` come by here. What goes around them (`update`, `bulk_create`, SQL) has to redact what it writes, if
that is text that somebody else may have written. Rows of an app whose configuration says `keeps_secrets` (accounts and
their keys, which it stores as digests) and fields that a model names in `verbatim` are stored as they are.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models.signals import pre_save

from guildhall.kernel.redaction import redact_data


def redact_row(sender: type[models.Model], instance: models.Model, update_fields: Any = None, **_: Any) -> None:
    """Receiver of `pre_save`: the instance itself is changed, so that its events tell what the row says."""
    for name in _texts(sender):
        if (update_fields is None or name in update_fields) and name in instance.__dict__:
            value = instance.__dict__[name]
            if isinstance(value, str | dict | list):
                clean = redact_data(value)
                if clean != value:
                    setattr(instance, name, clean)


def listen() -> None:
    """Called once by the kernel's app."""
    pre_save.connect(redact_row, dispatch_uid="guildhall.kernel.rows")


@cache
def _texts(model: type[models.Model]) -> tuple[str, ...]:
    """Names of the model's fields that hold text."""
    if not _is_ours(model):
        return ()
    kept: Iterable[str] = getattr(model, "verbatim", ())
    fields = (field for field in model._meta.concrete_fields if field.attname not in kept and not field.is_relation)
    return tuple(field.attname for field in fields if _holds_text(field) and not field.choices)


def _is_ours(model: type[models.Model]) -> bool:
    config = apps.get_containing_app_config(model.__module__)
    if config is None or getattr(config, "keeps_secrets", False):
        return False
    return str(config.path).startswith(str(settings.BASE_DIR)) and "site-packages" not in str(config.path)


def _holds_text(field: Any) -> bool:
    inner = getattr(field, "base_field", field)
    return isinstance(inner, models.CharField | models.TextField | models.JSONField)
