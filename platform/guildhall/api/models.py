"""Answers that were given under an Idempotency-Key: a table of the tenant's schema."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class StoredAnswer(models.Model):
    """One request under a key of its actor; `status` is None until it was answered."""

    actor = models.CharField(max_length=160)
    key = models.CharField(max_length=100)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    etag = models.CharField(max_length=20, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(name="stored_answer_once", fields=["actor", "key"])]
        indexes: ClassVar = [models.Index(name="stored_answer_by_age", fields=["at"])]

    def __str__(self) -> str:
        return f"{self.actor} {self.key}"
