"""Proposals of PM agents about a project's backlog. Nothing changes before a person accepts one."""

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from guildhall.kernel.stateful import StatefulModel


class ProposalKind(models.TextChoices):
    ORDER = "order", "Order of the backlog"
    SPRINT = "sprint", "Sprint plan"
    ROADMAP = "roadmap", "Roadmap"
    ISSUES = "issues", "Import of issues"


class ProposalState(models.TextChoices):
    ASKED = "asked", "Being worked out"
    PROPOSED = "proposed", "Waits for a person"
    ACCEPTED = "accepted", "Accepted"
    CARRIED_OUT = "carried_out", "Carried out"
    REJECTED = "rejected", "Rejected"
    FAILED = "failed", "Came to nothing"


class Proposal(StatefulModel):
    """`capacity` is in points: what a sprint still takes, or what one stretch of a roadmap holds.

    `content` is the agent's JSON as the program checked it, `outcome` what became of each of its entries. `shown` is the backlog
    that the run was shown (`planner.shown`), empty where the proposal is about something else.
    """

    kind = models.CharField(max_length=8, choices=ProposalKind.choices)
    project = models.CharField(max_length=24)
    sprint = models.PositiveIntegerField(null=True)
    capacity = models.PositiveIntegerField(null=True)
    wish = models.TextField(blank=True)
    state = FSMField(max_length=12, choices=ProposalState.choices, default=ProposalState.ASKED, protected=True)
    content: "models.JSONField[Any, Any]" = models.JSONField(default=dict)
    shown: "models.JSONField[Any, Any]" = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField())
    )
    reason = models.TextField(blank=True)
    run = models.PositiveIntegerField(null=True)
    agent = models.CharField(max_length=160, blank=True)
    asked_by = models.CharField(max_length=160)
    asked_by_name = models.CharField(max_length=200)
    decided_by = models.CharField(max_length=160, blank=True)
    decided_by_name = models.CharField(max_length=200, blank=True)
    feedback = models.TextField(blank=True)
    outcome: "models.JSONField[Any, Any]" = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="proposal_kind_known", condition=models.Q(kind__in=ProposalKind.values)),
            models.CheckConstraint(name="proposal_state_known", condition=models.Q(state__in=ProposalState.values)),
            models.UniqueConstraint(
                name="proposal_one_open",
                fields=["project", "kind"],
                condition=models.Q(state__in=[ProposalState.ASKED, ProposalState.PROPOSED]),
            ),
        ]

    def __str__(self) -> str:
        return f"proposal {self.pk}"

    @property
    def ref(self) -> str:
        return f"proposal:{self.pk}"

    @transition(field=state, source=ProposalState.ASKED, target=ProposalState.PROPOSED)
    def propose(self) -> None:
        """An agent's answer passed the program's checks."""

    @transition(field=state, source=ProposalState.ASKED, target=ProposalState.FAILED)
    def fail(self) -> None:
        """The agent gave up."""

    @transition(field=state, source=ProposalState.PROPOSED, target=ProposalState.ACCEPTED)
    def accept(self) -> None:
        """A person wants it done."""

    @transition(field=state, source=[ProposalState.ASKED, ProposalState.PROPOSED], target=ProposalState.REJECTED)
    def reject(self) -> None:
        """A person does not want it."""

    @transition(field=state, source=ProposalState.ACCEPTED, target=ProposalState.CARRIED_OUT)
    def carry_out(self) -> None:
        """Each of its entries was done, or says why not."""
