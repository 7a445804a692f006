"""What a person is asked, bound to exactly what will happen, and how people answered."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from guildhall.kernel.stateful import StatefulModel


class ApprovalKind(models.TextChoices):
    AGENT_ACTION = "agent_action", "Agent action"
    SCOPE = "scope", "Scope"
    PLAN = "plan", "Plan"
    MERGE = "merge", "Merge"
    DEPLOYMENT = "deployment", "Deployment"
    BUDGET_OVERRIDE = "budget_override", "Budget override"
    POLICY_CHANGE = "policy_change", "Policy change"
    SECRET_ACCESS = "secret_access", "Secret access"
    BLUEPRINT_APPLY = "blueprint_apply", "Blueprint apply"


CALLS = (ApprovalKind.AGENT_ACTION, ApprovalKind.SECRET_ACCESS)
"""Kinds that are about one call of an agent: its step and its arguments."""


class ApprovalState(models.TextChoices):
    PENDING = "pending", "Waiting"
    APPROVED = "approved", "Approved, not executed"
    CHANGES_REQUESTED = "changes_requested", "Changes requested"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    VOID = "void", "Void"
    EXECUTED = "executed", "Executed"


class VoteDecision(models.TextChoices):
    APPROVE = "approve", "Approve"
    CHANGES = "changes", "Request changes"
    REJECT = "reject", "Reject"


RISKS = [("low", "Low"), ("medium", "Medium"), ("high", "High")]


class Approval(StatefulModel):
    """One question to people. Its number is its id, counted per tenant. Triggers keep what was asked as it was, let it be
    approved only with the votes for it, and let its state go forward only.

    While it is approved and not executed, `held_reason` says why, `held_until` when it is tried again by itself, and
    `tried_at` when people last asked for that.
    """

    kind = models.CharField(max_length=20, choices=ApprovalKind.choices)
    subject = models.CharField(max_length=160)
    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True)
    binding: "models.JSONField[Any, Any]" = models.JSONField()
    binding_hash = models.CharField(max_length=64)
    risk = models.CharField(max_length=8, choices=RISKS)
    client = models.CharField(max_length=120, blank=True)
    requester = models.CharField(max_length=160)
    excluded = ArrayField(models.CharField(max_length=160), default=list)
    eligible_roles = ArrayField(models.CharField(max_length=32))
    quorum = models.PositiveSmallIntegerField()
    state = FSMField(max_length=20, choices=ApprovalState.choices, default=ApprovalState.PENDING.value, protected=True)
    state_reason = models.CharField(max_length=300, blank=True)
    requested_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    executed_at = models.DateTimeField(null=True)
    alarmed_at = models.DateTimeField(null=True)
    held_reason = models.CharField(max_length=300, blank=True)
    held_until = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    outcome: "models.JSONField[Any, Any]" = models.JSONField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="approval_state_known", condition=Q(state__in=ApprovalState.values)),
            models.CheckConstraint(name="approval_kind_known", condition=Q(kind__in=ApprovalKind.values)),
            models.CheckConstraint(name="approval_risk_known", condition=Q(risk__in=["low", "medium", "high"])),
            models.CheckConstraint(name="approval_needs_someone", condition=Q(quorum__gte=1)),
            models.CheckConstraint(
                name="approval_executed_has_receipt",
                condition=~Q(state="executed") | Q(outcome__isnull=False, executed_at__isnull=False),
            ),
            models.UniqueConstraint(
                name="approval_asked_once",
                fields=["kind", "subject", "binding_hash"],
                condition=Q(state="pending"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="approval_subject", fields=["subject"]),
            models.Index(name="approval_pending", fields=["expires_at"], condition=Q(state="pending")),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"

    @property
    def ref(self) -> str:
        return f"approval:{self.pk}"

    @transition(field=state, source="pending", target="approved")
    def approve(self) -> None:
        """Enough people said yes."""

    @transition(field=state, source="pending", target="changes_requested")
    def request_changes(self) -> None:
        """Somebody wants it otherwise."""

    @transition(field=state, source="pending", target="rejected")
    def reject(self) -> None:
        """Somebody said no."""

    @transition(field=state, source="pending", target="expired")
    def expire(self) -> None:
        """Nobody decided in time, which counts as no."""

    @transition(field=state, source=["pending", "approved"], target="void")
    def void(self) -> None:
        """What was asked is no longer what would happen."""

    @transition(field=state, source="approved", target="executed")
    def execute(self) -> None:
        """It was done, and here is the receipt."""


class ApprovalVote(models.Model):
    """One person's answer, with the hash of what they saw."""

    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="votes")
    voter = models.CharField(max_length=160)
    voter_name = models.CharField(max_length=200)
    decision = models.CharField(max_length=8, choices=VoteDecision.choices)
    feedback = models.TextField(blank=True)
    binding_hash = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="approval_vote_once", fields=["approval", "voter"]),
            models.CheckConstraint(name="approval_vote_known", condition=Q(decision__in=VoteDecision.values)),
        ]

    def __str__(self) -> str:
        return f"{self.voter}: {self.decision}"
