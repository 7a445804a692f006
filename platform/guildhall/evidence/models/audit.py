"""The audit trail: entries, their erasable payloads, and the chain that the sealer builds over them."""

from django.db import models
from django.db.models.functions import Now


class AuditEntry(models.Model):
    """Who did what; holds references and a salted digest of the payload, never the payload."""

    tenant = models.CharField(max_length=63)
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=80)
    action = models.CharField(max_length=80)
    outcome = models.CharField(max_length=12)
    subject = models.CharField(max_length=120)
    actor_ref = models.CharField(max_length=80)
    operation_id = models.UUIDField()
    trace_id = models.CharField(max_length=32)
    event_id = models.BigIntegerField(null=True)
    payload_digest = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_entry"

    def __str__(self) -> str:
        return f"{self.action} on {self.subject}"


class AuditPayload(models.Model):
    """What may have to be forgotten one day: names, reasons, addresses, before and after."""

    entry = models.OneToOneField(AuditEntry, primary_key=True, on_delete=models.DO_NOTHING, related_name="payload")
    tenant = models.CharField(max_length=63)
    salt = models.BinaryField()
    body = models.JSONField()

    class Meta:
        managed = False
        db_table = "audit_payload"

    def __str__(self) -> str:
        return f"payload of entry {self.entry_id}"


class AuditErasure(models.Model):
    """A payload that is to be forgotten; `asked_by` is the entry that says who asked and why. The sealer carries it out."""

    entry_id = models.BigIntegerField(primary_key=True)
    tenant = models.CharField(max_length=63)
    asked_by = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "audit_erasure"

    def __str__(self) -> str:
        return f"erasure of the payload of entry {self.entry_id}"


class AuditLink(models.Model):
    """A sealed entry's place in its tenant's chain. `hash` covers the previous link's hash and the entry."""

    tenant = models.CharField(max_length=63)
    position = models.BigIntegerField()
    entry = models.OneToOneField(AuditEntry, primary_key=True, on_delete=models.DO_NOTHING, related_name="link")
    hash = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_link"

    def __str__(self) -> str:
        return f"{self.tenant} {self.position}"


class AuditSeal(models.Model):
    """The root of a chain after one round of sealing; also published outside the database."""

    tenant = models.CharField(max_length=63)
    position = models.BigIntegerField()
    root = models.BinaryField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        managed = False
        db_table = "audit_seal"

    def __str__(self) -> str:
        return f"{self.tenant} up to {self.position}"


class AuditExpiry(models.Model):
    """A month that was dropped when its time was over: everything up to `position`, whose root the chain goes on from."""

    tenant = models.CharField(max_length=63)
    position = models.BigIntegerField(primary_key=True)
    period = models.DateField()
    entries = models.BigIntegerField()
    root = models.BinaryField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        managed = False
        db_table = "audit_expired"

    def __str__(self) -> str:
        return f"{self.tenant} {self.period:%Y-%m}"
