"""Projects, strategies and epics: what stories hang on."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

AUTONOMY = ["L0", "L1", "L2", "L3"]


class Project(models.Model):
    """A repository with its CI command; its key starts the references of its stories. `client` is a plain reference."""

    key = models.CharField(max_length=10, validators=[RegexValidator(r"\A[A-Z][A-Z0-9]{1,9}\Z")])
    name = models.CharField(max_length=120)
    repository = models.CharField(max_length=200)
    ci_command = models.CharField(max_length=500)
    default_branch = models.CharField(max_length=100, default="main")
    client = models.CharField(max_length=120, blank=True)
    stories_made = models.PositiveIntegerField(default=0)
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


class Strategy(models.Model):
    """A goal in words, how its success is measured, how far agents may go for it, and what it may cost."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="strategies")
    goal = models.TextField()
    success_measure = models.TextField(blank=True)
    autonomy = models.CharField(max_length=2, default="L2")
    budget_usd = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="strategy_autonomy_known", condition=Q(autonomy__in=AUTONOMY)),
            models.CheckConstraint(
                name="strategy_budget_positive", condition=Q(budget_usd__isnull=True) | Q(budget_usd__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return self.goal[:80]

    @property
    def ref(self) -> str:
        return f"strategy:{self.pk}"


class Epic(models.Model):
    """Stories that belong together, for one strategy or none."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="epics")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="epics", null=True, blank=True)
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.title

    @property
    def ref(self) -> str:
        return f"epic:{self.pk}"
