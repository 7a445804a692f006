"""Reputation: events that are never changed, and the score that they fold into."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from governance.scoring import START, ReputationKind


class AgentStanding(models.Model):
    """An agent's present score: the fold of its events, kept so that a look-up is one row. Locked to order events."""

    agent = models.CharField(max_length=160, unique=True)
    score = models.PositiveIntegerField(default=START)
    updated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.agent}: {self.score}"

    @property
    def ref(self) -> str:
        return self.agent


class ReputationEvent(models.Model):
    """Points given for one happening. `source` is the id of what happened, so a replay gives nothing twice."""

    agent = models.CharField(max_length=160)
    kind = models.CharField(max_length=20, choices=[(str(kind), kind.name.title()) for kind in ReputationKind])
    points = models.IntegerField()
    reason = models.CharField(max_length=300, blank=True)
    source = models.CharField(max_length=200)
    given_by = models.CharField(max_length=160)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="reputation_source_once", fields=["agent", "kind", "source"]),
            models.CheckConstraint(name="reputation_kind_known", condition=Q(kind__in=[*map(str, ReputationKind)])),
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.points:+d} {self.kind}"
