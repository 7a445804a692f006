"""A run: one agent at one piece of work, with everything it did, and the lease that says who is at it."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from gpu_workers.models.agent import Agent
from guildhall.kernel.stateful import StatefulModel


class RunKind(models.TextChoices):
    PLAN = "plan", "Planning"
    WORK = "work", "Work"
    REVIEW = "review", "Review"
    TEST = "test", "Test"
    COUNCIL = "council", "Council"
    INCIDENT = "incident", "Triage"
    BACKLOG = "backlog", "Backlog"


JUDGING = [RunKind.REVIEW, RunKind.TEST]
"""Kinds of runs that look at a commit which another one proposed, and change nothing."""


class RunState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting for a person"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    ESCALATED = "escalated", "Escalated to a person"
    CANCELLED = "cancelled", "Cancelled"


OPEN = [RunState.QUEUED, RunState.RUNNING, RunState.WAITING]
GIVEN_UP = [RunState.FAILED, RunState.ESCALATED, RunState.CANCELLED]
ENDED = [RunState.SUCCEEDED, *GIVEN_UP]
AWAY_SINCE = "away_since"
"""In a run's outcome: since when it gets nowhere for want of what it needs."""
AWAITS = "awaits"
"""In a run's outcome: the model route for want of which it rests, "" where that is not what it lacks."""
DEATHS = "deaths"
"""In a run's outcome: how often its lease ran out in a worker's hands since it last got on."""
BLAMELESS = "blameless"
"""In a run's outcome: it failed by no doing of its agent."""
UNCLAIMED = "unclaimed"
"""In a run's outcome: it was ended because its claim had, which is no failed try at its task."""


class Phase(models.TextChoices):
    PLANNER = "planner", "Planner"
    EXECUTOR = "executor", "Executor"
    CI_MONITOR = "ci_monitor", "CI monitor"
    FIXER = "fixer", "Fixer"
    FINALIZER = "finalizer", "Finalizer"


class Run(StatefulModel):
    """`subject` is the task's (or, for planning, the story's) reference. `fence` counts takeovers: whoever holds the
    highest number and an unexpired lease may write; everybody else's writes are refused.

    `prompt_version` is what the agent's was when the run was queued, and what it is told to the end; `prompt_sha256` is the
    digest of all of these prompts, "" where the run is older than that.
    """

    number = models.PositiveIntegerField(unique=True)
    kind = models.CharField(max_length=10, choices=RunKind.choices)
    subject = models.CharField(max_length=120)
    story = models.CharField(max_length=120)
    strategy = models.CharField(max_length=120, blank=True)
    title = models.CharField(max_length=200)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="runs")
    claim = models.CharField(max_length=64, blank=True)
    prompt_version = models.CharField(max_length=20, default="v1", db_default="v1")
    prompt_sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
    state = FSMField(max_length=12, choices=RunState.choices, default=RunState.QUEUED, protected=True)
    phase = models.CharField(max_length=12, choices=Phase.choices, default=Phase.PLANNER)
    round = models.PositiveSmallIntegerField(default=0)
    repository = models.CharField(max_length=80, blank=True)
    branch = models.CharField(max_length=120, blank=True)
    base_sha = models.CharField(max_length=64, blank=True)
    head_sha = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)
    outcome = models.JSONField(default=dict)
    cancel_requested = models.CharField(max_length=200, blank=True)
    fence = models.BigIntegerField(default=0)
    worker = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        indexes: ClassVar = [
            models.Index(name="run_by_subject", fields=["subject", "-number"]),
            models.Index(name="run_open", fields=["state", "lease_until"], condition=models.Q(state__in=OPEN)),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(name="run_state_known", condition=models.Q(state__in=RunState.values)),
            models.CheckConstraint(name="run_phase_known", condition=models.Q(phase__in=Phase.values)),
            models.CheckConstraint(name="run_kind_known", condition=models.Q(kind__in=RunKind.values)),
            models.UniqueConstraint(
                name="run_open_once", fields=["subject", "kind"], condition=models.Q(state__in=OPEN)
            ),
            models.UniqueConstraint(name="run_per_claim", fields=["claim"], condition=~models.Q(claim="")),
        ]

    def __str__(self) -> str:
        return f"run {self.number}"

    @property
    def ref(self) -> str:
        return f"run:{self.number}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @transition(field=state, source=[RunState.QUEUED, RunState.RUNNING, RunState.WAITING], target=RunState.RUNNING)
    def take(self) -> None:
        """A worker has the lease."""

    @transition(field=state, source=RunState.RUNNING, target=RunState.WAITING)
    def wait_for_person(self) -> None:
        """It ended its turn with a question; no worker is held."""

    @transition(field=state, source=RunState.WAITING, target=RunState.QUEUED)
    def resume(self) -> None:
        """A person lets it go on where it stopped."""

    @transition(field=state, source=RunState.RUNNING, target=RunState.QUEUED)
    def put_back(self) -> None:
        """A kill switch stopped it; when that is lifted it goes on from its stored steps."""

    @transition(field=state, source=RunState.RUNNING, target=RunState.SUCCEEDED)
    def succeed(self) -> None:
        """What it was for is done."""

    @transition(field=state, source=RunState.RUNNING, target=RunState.FAILED)
    def fail(self) -> None:
        """It broke for a reason that no person can decide."""

    @transition(field=state, source=[RunState.RUNNING, RunState.WAITING], target=RunState.ESCALATED)
    def escalate(self) -> None:
        """It did its best and a person has to take over."""

    @transition(field=state, source=OPEN, target=RunState.CANCELLED)
    def cancel(self) -> None:
        """Somebody stopped it."""


class RunStep(models.Model):
    """One thing a run did, stored before and after it happened; `key` makes a repeated step the same step.

    `tried_at` is when the worker that is at it began its try, null while nobody is.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    key = models.CharField(max_length=120)
    phase = models.CharField(max_length=12, choices=Phase.choices)
    kind = models.CharField(max_length=16)
    title = models.CharField(max_length=300)
    request = models.JSONField(default=dict)
    response = models.JSONField(null=True)
    ok = models.BooleanField(null=True)
    tokens_in = models.PositiveIntegerField(default=0)
    tokens_out = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=20, decimal_places=10, default=0)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    seconds = models.DecimalField(
        max_digits=14,
        decimal_places=6,
        null=True,
        help_text="How long workers were at it, all tries together. What lies between two of them is nobody's work.",
    )
    tried_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(name="run_step_unfinished", fields=["run"], condition=models.Q(finished_at=None)),
        ]
        constraints: ClassVar = [models.UniqueConstraint(name="run_step_once", fields=["run", "key"])]

    def __str__(self) -> str:
        return f"{self.run_id} {self.key}"


class RunLog(models.Model):
    """A piece of live output of a run, in order."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="log")
    phase = models.CharField(max_length=12, choices=Phase.choices)
    tone = models.CharField(max_length=6, blank=True)
    text = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.text[:60]
