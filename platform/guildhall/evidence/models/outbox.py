"""The outbox, its consumers' cursors and their dead letters."""

from django.db import models
from django.db.models.functions import Now


class OutboxEvent(models.Model):
    """One event; `position` is given by the relay after commit, gap-free per tenant."""

    tenant = models.CharField(max_length=63)
    position = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=80)
    version = models.PositiveSmallIntegerField()
    subject = models.CharField(max_length=120)
    payload = models.JSONField()
    actor = models.JSONField()
    operation_id = models.UUIDField()
    trace_id = models.CharField(max_length=32)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        managed = False
        db_table = "outbox_event"

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject}"


class ConsumerCursor(models.Model):
    """How far one consumer has read one tenant's stream, and who is reading now."""

    tenant = models.CharField(max_length=63)
    consumer = models.CharField(max_length=80)
    position = models.BigIntegerField(default=0)
    lease_token = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        managed = False
        db_table = "consumer_cursor"

    def __str__(self) -> str:
        return f"{self.consumer} at {self.position}"


class LetterQuerySet(models.QuerySet["DeadLetter"]):
    def waiting(self) -> "LetterQuerySet":
        """Letters that were neither handled after all nor set aside."""
        return self.filter(replayed_at__isnull=True, dismissed_at__isnull=True)


class DeadLetter(models.Model):
    """An event that a consumer could not handle after its last try."""

    tenant = models.CharField(max_length=63)
    consumer = models.CharField(max_length=80)
    position = models.BigIntegerField()
    error = models.TextField()
    at = models.DateTimeField(db_default=Now())
    replayed_at = models.DateTimeField(null=True)
    dismissed_at = models.DateTimeField(null=True)

    objects = LetterQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "dead_letter"

    def __str__(self) -> str:
        return f"{self.consumer} at {self.position}"
