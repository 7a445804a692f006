"""What a project names for its agents to work with outside."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class ProjectConnection(models.Model):
    """One of each kind per project (its key): where it is (`str`), and what opens it, sealed."""

    NOUN: ClassVar[str]
    """What people call one of this kind."""

    project = models.CharField(max_length=12, unique=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True
        ordering: ClassVar = ["project"]

    @property
    def ref(self) -> str:
        return f"project:{self.project}"
