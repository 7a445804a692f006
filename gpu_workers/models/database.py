"""The databases that a project names: one that agents may read, and one that migrations are applied to."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class ProjectDatabase(models.Model):
    """One per project (its key). `address` is sealed, with the password in it; `place` is what people are shown."""

    project = models.CharField(max_length=12, unique=True)
    address = models.TextField()
    place = models.CharField(max_length=300)
    schemas = ArrayField(models.CharField(max_length=63))
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["project"]

    def __str__(self) -> str:
        return f"{self.project}: {self.place}"

    @property
    def ref(self) -> str:
        return f"project:{self.project}"


class ProjectMigrator(models.Model):
    """The login that applies migrations which people allowed; one per project (its key), apart from the one that reads.

    `address` is sealed, with the password in it. `schemas` are the search path, the first one is where new things go.
    """

    project = models.CharField(max_length=12, unique=True)
    address = models.TextField()
    place = models.CharField(max_length=300)
    schemas = ArrayField(models.CharField(max_length=63))
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["project"]

    def __str__(self) -> str:
        return f"{self.project}: {self.place}"

    @property
    def ref(self) -> str:
        return f"project:{self.project}"

    @property
    def where(self) -> str:
        """The place with the schema that things are made in, as people are asked about it."""
        return f"{self.place} ({', '.join(self.schemas)})"
