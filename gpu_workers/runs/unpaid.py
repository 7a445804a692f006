"""Money for machines that is gone and not charged yet: commands and CI of runs are charged when these end.

A limit that has no room for it lets no command begin. What commands take that are on at this moment may still pass it.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from django.db.models import DurationField, ExpressionWrapper, F, Q, Sum, TextField, Value
from django.db.models.functions import Cast, Concat, Least, Now

from governance.actions.counters import refuse_beyond
from governance.pricing import COMPUTE_SECOND, use_cost
from governance.scopes import TENANT, Scope, ScopeKind, agent_scopes
from gpu_workers.models import Incident, Proposal, Run, RunStep
from gpu_workers.models.run import OPEN
from gpu_workers.runs.using import TIMED, scopes_of

LEAST = Decimal(1)
"""Seconds for which there is room at least where a command begins."""
SO_FAR = Sum(
    ExpressionWrapper(Least(Now(), F("run__lease_until")) - F("tried_at"), output_field=DurationField()),
    filter=Q(finished_at=None, tried_at__isnull=False),
)
"""How long workers have been at what they are at: one that is dead until its lease was over."""


def refuse_unpaid(run: Run) -> None:
    """Raises `LimitExceeded` where one of the run's limits has no room for its next command."""
    refuse_compute((*scopes_of(run), *agent_scopes(run.agent.ref)), Q(number=run.number))


def refuse_compute(scopes: Sequence[Scope], own: Q) -> None:
    """Raises `LimitExceeded` where a limit has no room for the unpaid compute time of its scope's open runs and a second more.

    Which runs an API key's are is known one by one: of such a scope those that are `own` are counted.
    """

    def used(scope: Scope) -> Decimal:
        return use_cost(_seconds(_runs_of(scope) if scope.kind != ScopeKind.API_KEY else own) + LEAST, COMPUTE_SECOND)

    refuse_beyond(tuple(dict.fromkeys([TENANT, *scopes])), used)


def _seconds(runs: Q) -> Decimal:
    """Seconds at commands and CI of open runs, those that are on now included."""
    steps = RunStep.objects.filter(kind__in=TIMED, run__in=Run.objects.filter(runs, state__in=OPEN))
    taken = steps.aggregate(over=Sum("seconds"), on=SO_FAR)
    on = max(taken["on"] or timedelta(), timedelta())
    return (taken["over"] or Decimal(0)) + Decimal(str(on.total_seconds()))


def _runs_of(scope: Scope) -> Q:
    """Runs whose costs count for a scope, as `scopes_of` says it."""
    match scope.kind:
        case ScopeKind.PROJECT:
            return Q(story__startswith=f"story:{scope.id}-") | _about(Incident, scope.id) | _about(Proposal, scope.id)
        case ScopeKind.STORY:
            return Q(story=f"story:{scope.id}")
        case ScopeKind.TASK:
            return Q(subject=f"task:{scope.id}")
        case ScopeKind.STRATEGY:
            return Q(strategy=scope.id)
        case ScopeKind.RUN:
            return Q(number=int(scope.id))
        case ScopeKind.AGENT:
            return Q(agent__name=scope.id)
    return Q()


def _about(model: type[Incident | Proposal], project: str) -> Q:
    """Runs about an incident of the project, or a proposal for it: they belong to no story."""
    name = model._meta.model_name
    refs = Concat(Value(f"{name}:"), Cast("pk", TextField()), output_field=TextField())
    return Q(subject__in=model._default_manager.filter(project=project).values_list(refs))
