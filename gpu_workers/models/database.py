"""The database that a project's agents may read."""

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
