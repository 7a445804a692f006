"""Filters that somebody keeps under a name."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class SavedFilter(models.Model):
    """A filter of the board or the list: `query` is the query string as `StoryFilter` writes it, nothing else."""

    owner = models.CharField(max_length=160)
    owner_name = models.CharField(max_length=200)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=600, blank=True)
    shared = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="saved_filter_name_once", fields=["owner", "name"]),
            models.CheckConstraint(name="saved_filter_has_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return f"filter:{self.pk}"
