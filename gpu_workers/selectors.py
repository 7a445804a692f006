"""Reading runs, changes and agents. Every read starts from what the actor may see."""

from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from gpu_workers.models import Agent, ChangeRequest, CIRun, Repository, Run, RunLog, RunStep
from gpu_workers.models.run import OPEN, Phase
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound

TEAM = frozenset({"admin", "product_owner", "architect", "developer", "qa", "devops", "data", "viewer"})
"""Roles that see runs; clients do not."""


def runs_visible_to(actor: Actor) -> QuerySet[Run]:
    """Runs that `actor` may see, newest first."""
    rows = Run.objects.select_related("agent")
    return rows if _is_team(actor) else rows.none()


def run_for(actor: Actor, number: int) -> Run:
    """One run. Raises `NotFound` when there is none or the actor may not know of it."""
    run = runs_visible_to(actor).filter(number=number).first()
    if run is None:
        raise NotFound(f"There is no run {number}.")
    return run


def changes_visible_to(actor: Actor) -> QuerySet[ChangeRequest]:
    """Change requests that `actor` may see, newest first."""
    rows = ChangeRequest.objects.select_related("run")
    return rows if _is_team(actor) else rows.none()


def change_for(actor: Actor, number: int) -> ChangeRequest:
    """One change request. Raises `NotFound` like `run_for`."""
    change = changes_visible_to(actor).filter(number=number).first()
    if change is None:
        raise NotFound(f"There is no change request {number}.")
    return change


def agents_visible_to(actor: Actor) -> QuerySet[Agent]:
    """Agents that `actor` may see, with how many of their runs are open."""
    rows = Agent.objects.annotate(open_runs=Count("runs", filter=Q(runs__state__in=OPEN)))
    return rows if _is_team(actor) else rows.none()


def repository_named(name: str) -> Repository:
    """A repository. Raises `NotFound` when there is none."""
    repository = Repository.objects.filter(name=name).first()
    if repository is None:
        raise NotFound(f"There is no repository {name!r}.")
    return repository


def change_of_task(task: str) -> ChangeRequest | None:
    """The change request of a task (its reference), if there is one."""
    return ChangeRequest.objects.filter(task=task).first()


def ci_of(repository: str, sha: str) -> CIRun | None:
    """CI's latest answer for a commit."""
    return CIRun.objects.filter(repository=repository, sha=sha).order_by("-id").first()


def steps_of(run: Run) -> list[RunStep]:
    """A run's steps in order."""
    return list(run.steps.order_by("id"))


def log_of(run: Run, after: int = 0, limit: int = 500) -> list[RunLog]:
    """Up to `limit` pieces of a run's live output after the piece `after`."""
    return list(run.log.filter(pk__gt=after).order_by("pk")[:limit])


def totals_of(run: Run) -> dict[str, Any]:
    """Tokens and cost (USD) of a run's steps."""
    found = run.steps.aggregate(tokens_in=Sum("tokens_in"), tokens_out=Sum("tokens_out"), cost=Sum("cost"))
    return {name: value or 0 for name, value in found.items()}


def phases_of(run: Run) -> list[dict[str, str]]:
    """The five phases with their state: past, now, bad or nothing yet."""
    order = [Phase(p) for p in Phase.values]
    touched = set(run.steps.values_list("phase", flat=True).distinct())
    at = order.index(Phase(run.phase))
    shown = []
    for index, phase in enumerate(order):
        state = "past" if phase in touched and index != at else ""
        if index == at:
            state = "now" if run.is_open else ("bad" if run.state in ("failed", "escalated") else "past")
        shown.append({"key": phase.value, "label": phase.label, "state": state})
    return shown


def _is_team(actor: Actor) -> bool:
    return actor.kind != "person" or actor.has_role(*TEAM)
