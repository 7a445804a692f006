"""Incidents: what went wrong, the evidence that people brought, and what an Ops agent made of it."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from guildhall.kernel.stateful import StatefulModel


class IncidentState(models.TextChoices):
    OPEN = "open", "Open"
    TRIAGED = "triaged", "Triaged"
    CLOSED = "closed", "Closed"


class Severity(models.TextChoices):
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"


class EvidenceKind(models.TextChoices):
    LOG = "log", "Log"
    METRICS = "metrics", "Metrics"
    ERRORS = "errors", "Errors"
    HEALTH = "health", "Health"


class RemedyState(models.TextChoices):
    PROPOSED = "proposed", "Proposed"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    WITHDRAWN = "withdrawn", "Withdrawn"


class Incident(StatefulModel):
    """`parts` are the names of the system's parts, one of which failed; a triage names one of them.

    `triages` counts how often people asked for one; `wanted` while the last of these has brought nothing.
    """

    project = models.CharField(max_length=24)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    parts = ArrayField(models.CharField(max_length=60))
    severity = models.CharField(max_length=6, choices=Severity.choices, default=Severity.MEDIUM)
    state = FSMField(max_length=8, choices=IncidentState.choices, default=IncidentState.OPEN, protected=True)
    triages = models.PositiveIntegerField(default=0)
    wanted = models.BooleanField(default=False)
    opened_by = models.CharField(max_length=160)
    opened_by_name = models.CharField(max_length=200)
    closed_by = models.CharField(max_length=160, blank=True)
    closed_by_name = models.CharField(max_length=200, blank=True)
    closing_note = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="incident_state_known", condition=models.Q(state__in=IncidentState.values)),
            models.CheckConstraint(name="incident_severity_known", condition=models.Q(severity__in=Severity.values)),
            models.CheckConstraint(name="incident_names_parts", condition=models.Q(parts__len__gte=2)),
        ]

    def __str__(self) -> str:
        return f"incident {self.pk}"

    @property
    def ref(self) -> str:
        return f"incident:{self.pk}"

    @property
    def is_closed(self) -> bool:
        return bool(self.state == IncidentState.CLOSED)

    @transition(field=state, source=[IncidentState.OPEN, IncidentState.TRIAGED], target=IncidentState.TRIAGED)
    def triage(self) -> None:
        """An agent named the failed part and proposed a remedy."""

    @transition(field=state, source=[IncidentState.OPEN, IncidentState.TRIAGED], target=IncidentState.CLOSED)
    def close(self) -> None:
        """A person says that it is over."""


class IncidentEvidence(models.Model):
    """A text that somebody brought. It is kept without the secrets that were found in it; lines count from 1."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="evidence")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=EvidenceKind.choices)
    text = models.TextField()
    size = models.PositiveIntegerField()
    lines = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    added_by = models.CharField(max_length=160)
    added_by_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="evidence_name_once", fields=["incident", "name"]),
            models.CheckConstraint(name="evidence_kind_known", condition=models.Q(kind__in=EvidenceKind.values)),
        ]

    def __str__(self) -> str:
        return self.name


class IncidentReport(StatefulModel):
    """What a run found: the failed part, why, the lines that show it, and a remedy. `citations`: file, line, quote."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="reports")
    run = models.PositiveIntegerField(unique=True)
    agent = models.CharField(max_length=160)
    part = models.CharField(max_length=60)
    cause = models.TextField()
    citations: "models.JSONField[Any, Any]" = models.JSONField()
    remedy = models.TextField()
    command = models.TextField(blank=True)
    change = models.TextField(blank=True)
    state = FSMField(max_length=10, choices=RemedyState.choices, default=RemedyState.PROPOSED, protected=True)
    feedback = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="remedy_state_known", condition=models.Q(state__in=RemedyState.values)),
            models.UniqueConstraint(name="remedy_one_open", fields=["incident"], condition=models.Q(state="proposed")),
        ]

    def __str__(self) -> str:
        return f"report {self.pk}"

    @transition(field=state, source=RemedyState.PROPOSED, target=RemedyState.ACCEPTED)
    def accept(self) -> None:
        """A person approved the remedy; nothing has carried it out."""

    @transition(field=state, source=RemedyState.PROPOSED, target=RemedyState.REJECTED)
    def reject(self) -> None:
        """A person refused it or asked for another."""

    @transition(field=state, source=RemedyState.PROPOSED, target=RemedyState.EXPIRED)
    def expire(self) -> None:
        """Nobody decided in time."""

    @transition(field=state, source=RemedyState.PROPOSED, target=RemedyState.WITHDRAWN)
    def withdraw(self) -> None:
        """The incident was closed, or another report took its place."""
