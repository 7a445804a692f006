"""Tasks, who has which part in them, and what they wait for."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django_fsm import RETURN_VALUE, FSMField, transition

from guildhall.kernel.stateful import StatefulModel
from workflows.machines import PARTS, TASK, UNCLAIMED
from workflows.models.story import Story
from workflows.models.tree import ProjectRepository
from workflows.planning.drafts import RISKS, ROLES, SIZES


class Task(StatefulModel):
    """One piece of a story, done by one implementer, judged by others.

    `holder` has the claim until `lease_until` (database time), fenced by `claim_token`; `approver` is set when the
    approval was given, `merged_sha` when its execution was proven. People and agents are plain references.
    `repository` None means the project's primary one.
    """

    story = models.ForeignKey(Story, on_delete=models.PROTECT, related_name="tasks")
    number = models.PositiveIntegerField()
    reference = models.CharField(max_length=32)
    rank = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    role = models.CharField(max_length=16)
    acceptance = ArrayField(models.TextField(), default=list, blank=True)
    evidence = models.TextField(blank=True)
    repository = models.ForeignKey(
        ProjectRepository, on_delete=models.PROTECT, related_name="tasks", null=True, blank=True
    )
    size = models.CharField(max_length=2)
    risk = models.CharField(max_length=8)
    state = FSMField(max_length=24, choices=list(TASK.states.items()), default=TASK.initial, protected=True)
    implementer = models.CharField(max_length=160, blank=True)
    reviewer = models.CharField(max_length=160, blank=True)
    tester = models.CharField(max_length=160, blank=True)
    approver = models.CharField(max_length=160, blank=True)
    holder = models.CharField(max_length=160, blank=True)
    holder_name = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    claim_token = models.BigIntegerField(default=0)
    commit_sha = models.CharField(max_length=64, blank=True)
    rejected_sha = models.CharField(max_length=64, blank=True)
    handed_in = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    test_report: "models.JSONField[Any, Any]" = models.JSONField(null=True, blank=True)
    feedback = models.TextField(blank=True)
    merged_sha = models.CharField(max_length=64, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "task"
        ordering: ClassVar = ["story_id", "rank", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="task_number_once", fields=["story", "number"]),
            models.UniqueConstraint(name="task_reference_once", fields=["reference"]),
            models.CheckConstraint(name="task_state_known", condition=Q(state__in=list(TASK.states))),
            models.CheckConstraint(name="task_role_known", condition=Q(role__in=ROLES)),
            models.CheckConstraint(name="task_size_known", condition=Q(size__in=SIZES)),
            models.CheckConstraint(name="task_risk_known", condition=Q(risk__in=RISKS)),
            models.CheckConstraint(
                name="task_claim_whole",
                condition=Q(holder="", lease_until__isnull=True) | (~Q(holder="") & Q(lease_until__isnull=False)),
            ),
            models.CheckConstraint(
                name="task_claim_in_claimed_state", condition=Q(holder="") | Q(state__in=list(UNCLAIMED))
            ),
            models.CheckConstraint(
                name="task_parts_apart",
                condition=(Q(implementer="") | ~Q(implementer=F("reviewer")) & ~Q(implementer=F("tester")))
                & (Q(reviewer="") | ~Q(reviewer=F("tester"))),
            ),
            models.CheckConstraint(
                name="task_approver_apart",
                condition=Q(approver="")
                | ~Q(approver=F("implementer")) & ~Q(approver=F("reviewer")) & ~Q(approver=F("tester")),
            ),
            models.CheckConstraint(
                name="task_done_is_merged",
                condition=~Q(state="done") | (~Q(merged_sha="") & ~Q(approver="") & ~Q(commit_sha="")),
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="task_by_state", fields=["state", "role"]),
            models.Index(name="task_by_change", fields=["-changed_at", "-id"]),
            models.Index(name="task_by_reference", fields=["reference"], opclasses=["varchar_pattern_ops"]),
            models.Index(name="task_by_holder", fields=["holder", "lease_until"], condition=~Q(holder="")),
            models.Index(name="task_by_lease", fields=["lease_until"], condition=Q(lease_until__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.title}"

    @property
    def ref(self) -> str:
        return f"task:{self.reference}"

    @property
    def repository_name(self) -> str:
        """The repository that it changes."""
        return self.repository.name if self.repository else self.story.project.repository

    @property
    def approved_not_executed(self) -> bool:
        """Whether its approval was given and the merge is still to come."""
        return self.state == "pending_po_approval" and bool(self.approver)

    @transition(field=state, source="*", target=RETURN_VALUE(*TASK.states))
    def follow(self, action: str) -> str:
        """Move as the table says. Raises ValueError where it has no such row."""
        return TASK.target(self.state, action)

    @transition(field=state, source="*", target=RETURN_VALUE("implementing", "cancelled", *UNCLAIMED.values()))
    def moved_by_story(self, state: str) -> str:
        """Move as an act on the whole story says: reopened by a rejection, unclaimed by a stop, cancelled by a new plan."""
        return state


class TaskPart(models.Model):
    """Which part an actor has ever taken in a task. The constraint keeps the parts apart whatever the code does."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="parts")
    actor = models.CharField(max_length=160)
    actor_name = models.CharField(max_length=200)
    part = models.CharField(max_length=16)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(name="task_one_part_each", fields=["task", "actor"]),
            models.CheckConstraint(name="task_part_known", condition=Q(part__in=PARTS)),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.part}"


class TaskDependency(models.Model):
    """`task` needs `needs` done first."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="dependencies")
    needs = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="needed_by")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(name="task_dependency_once", fields=["task", "needs"]),
            models.CheckConstraint(name="task_dependency_not_itself", condition=~Q(task=F("needs"))),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} needs {self.needs_id}"
