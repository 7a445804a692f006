"""Projects with their repositories, strategies and epics: what stories hang on."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from guildhall.kernel.stateful import StatefulModel

AUTONOMY = ["L0", "L1", "L2", "L3"]
ENVIRONMENTS = ["staging", "production"]


class StrategyState(models.TextChoices):
    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"
    ENDED = "ended", "Ended"


class EpicState(models.TextChoices):
    OPEN = "open", "Open"
    CLOSED = "closed", "Closed"


class Project(models.Model):
    """Repositories and environments; its key starts the references of its stories. `client` is a plain reference.

    `environments` are names in the order in which a change is promoted.
    """

    key = models.CharField(max_length=10, validators=[RegexValidator(r"\A[A-Z][A-Z0-9]{1,9}\Z")])
    name = models.CharField(max_length=120)
    environments = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    client = models.CharField(max_length=120, blank=True)
    stories_made = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["key"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="project_key_once", fields=["key"]),
            models.CheckConstraint(name="project_key_form", condition=Q(key__regex=r"^[A-Z][A-Z0-9]{1,9}$")),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def ref(self) -> str:
        return f"project:{self.key}"

    @property
    def primary(self) -> "ProjectRepository":
        """The repository that tasks change unless they name another; prefetched ones are used."""
        return next(row for row in self.repositories.all() if row.primary)

    @property
    def repository(self) -> str:
        """The primary repository's name."""
        return self.primary.name


class ProjectRepository(models.Model):
    """A git repository of a project, known by its name, with the command that CI runs in it.

    `ci_limits` are what that may take, by the names of `workflows.ci_limits`; what it leaves out is the installation's.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="repositories")
    name = models.CharField(max_length=200)
    ci_command = models.CharField(max_length=500)
    ci_limits = models.JSONField(blank=True, default=dict, db_default=models.Value({}, models.JSONField()))
    default_branch = models.CharField(max_length=100, default="main")
    primary = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="project_repository_once", fields=["project", "name"]),
            models.UniqueConstraint(name="project_one_primary", fields=["project"], condition=Q(primary=True)),
        ]

    def __str__(self) -> str:
        return self.name


class Strategy(StatefulModel):
    """A goal in words, how its success is measured, how far agents may go for it, and what it may cost."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="strategies")
    title = models.CharField(max_length=120, blank=True)
    goal = models.TextField()
    success_measure = models.TextField(blank=True)
    autonomy = models.CharField(max_length=2, default="L2")
    budget_usd = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    state = FSMField(max_length=8, choices=StrategyState.choices, default=StrategyState.ACTIVE, protected=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "strategy"
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="strategy_autonomy_known", condition=Q(autonomy__in=AUTONOMY)),
            models.CheckConstraint(name="strategy_state_known", condition=Q(state__in=StrategyState.values)),
            models.CheckConstraint(
                name="strategy_budget_positive", condition=Q(budget_usd__isnull=True) | Q(budget_usd__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.goal[:80]

    @property
    def ref(self) -> str:
        return f"strategy:{self.pk}"

    @transition(field=state, source=StrategyState.ACTIVE, target=StrategyState.PAUSED)
    def pause(self) -> None:
        """No new work is begun for it, and its schedule does not fire."""

    @transition(field=state, source=StrategyState.PAUSED, target=StrategyState.ACTIVE)
    def resume(self) -> None:
        """Work goes on."""

    @transition(field=state, source=[StrategyState.ACTIVE, StrategyState.PAUSED], target=StrategyState.ENDED)
    def end(self) -> None:
        """It is over, reached or given up; nothing leads back."""


class Epic(StatefulModel):
    """Stories that belong together, for one strategy or none; `rank` is its place among the project's epics."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="epics")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="epics", null=True, blank=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    rank = models.PositiveIntegerField(default=0)
    state = FSMField(max_length=8, choices=EpicState.choices, default=EpicState.OPEN, protected=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "epic"
        ordering: ClassVar = ["project_id", "rank", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="epic_state_known", condition=Q(state__in=EpicState.values)),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def ref(self) -> str:
        return f"epic:{self.pk}"

    @transition(field=state, source=EpicState.OPEN, target=EpicState.CLOSED)
    def close(self) -> None:
        """No story is added any more."""

    @transition(field=state, source=EpicState.CLOSED, target=EpicState.OPEN)
    def reopen(self) -> None:
        """Stories are added again."""
