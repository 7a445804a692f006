"""The registry of agents."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from guildhall.kernel.actor import Actor, ActorKind
from guildhall.kernel.tenancy import current_tenant


class AgentKind(models.TextChoices):
    DEV = "dev", "Dev"
    OPS = "ops", "Ops"
    PM = "pm", "PM"
    REVIEWER = "reviewer", "Reviewer"
    TESTER = "tester", "Tester"
    PLANNER = "planner", "Planner"


KIND_ROLES: Mapping[str, tuple[str, ...]] = {
    AgentKind.DEV: ("developer", "data"),
    AgentKind.OPS: ("devops",),
    AgentKind.PM: ("planner",),
    AgentKind.REVIEWER: ("architect",),
    AgentKind.TESTER: ("qa",),
    AgentKind.PLANNER: ("planner",),
}
"""The roles that an agent of a kind can hold, exactly one of them; the first where none is named."""


class AutonomyLevel(models.TextChoices):
    L0 = "L0", "Manual"
    L1 = "L1", "Assisted"
    L2 = "L2", "Supervised"
    L3 = "L3", "Autopilot"


class Agent(models.Model):
    """One agent of the tenant: what it is, which model it uses, how far it may go.

    `version` counts what people changed about it. One that is not `active` rests: it begins nothing new. `previous_prompts`
    is the version of its prompts before they were changed last, "" where they never were.
    """

    name = models.SlugField(max_length=40, unique=True)
    title = models.CharField(max_length=60)
    role = models.CharField(max_length=20)
    kind = models.CharField(max_length=12, choices=AgentKind.choices)
    icon = models.CharField(max_length=30, default="hammer")
    route = models.CharField(max_length=30, default="code")
    autonomy_cap = models.CharField(max_length=2, choices=AutonomyLevel.choices, default=AutonomyLevel.L3)
    prompt_version = models.CharField(max_length=20, default="v1")
    previous_prompts = models.CharField(max_length=20, blank=True, default="", db_default="")
    active = models.BooleanField(default=True)
    version = models.PositiveIntegerField(db_default=1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(name="agent_kind_known", condition=models.Q(kind__in=AgentKind.values)),
            models.CheckConstraint(name="agent_cap_known", condition=models.Q(autonomy_cap__in=AutonomyLevel.values)),
            models.CheckConstraint(
                name="agent_role_of_kind",
                condition=reduce(
                    or_, (models.Q(kind=kind, role__in=list(roles)) for kind, roles in KIND_ROLES.items())
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def ref(self) -> str:
        return f"agent:{self.name}"

    def actor(self) -> Actor:
        """This agent, acting in the current tenant with its one role."""
        return Actor(
            kind=ActorKind.AGENT,
            id=self.name,
            name=self.title,
            tenant=current_tenant(),
            roles=frozenset({self.role}),
            via="run",
        )
