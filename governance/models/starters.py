"""Through which API key somebody had work begun."""

from django.db import models
from django.db.models.functions import Now


class Starter(models.Model):
    """`subject` (a story, a task, a council, …) was begun through the API key of this number: its calls count for the key."""

    subject = models.CharField(max_length=160, unique=True)
    api_key = models.CharField(max_length=120)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.subject} through api_key:{self.api_key}"
