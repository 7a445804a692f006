"""The databases that a project names: one that agents may read, and one that migrations are applied to."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from gpu_workers.models.connection import ProjectConnection


class DatabaseLogin(ProjectConnection):
    """A login to a database. `address` is sealed, with the password in it; `place` is what people are shown."""

    address = models.TextField()
    place = models.CharField(max_length=300)
    schemas = ArrayField(models.CharField(max_length=63))

    class Meta(ProjectConnection.Meta):
        abstract = True

    def __str__(self) -> str:
        return self.place


class ProjectDatabase(DatabaseLogin):
    """The login that agents read with, these `schemas` and no others."""

    NOUN: ClassVar[str] = "database"


class ProjectMigrator(DatabaseLogin):
    """The login that applies migrations which people allowed, apart from the one that reads.

    `schemas` are the search path, the first one is where new things go.
    """

    NOUN: ClassVar[str] = "database for migrations"

    @property
    def where(self) -> str:
        """The place with the schema that things are made in, as people are asked about it."""
        return f"{self.place} ({', '.join(self.schemas)})"
