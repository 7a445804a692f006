"""What runs used besides models: seconds of commands and CI."""

import os
from decimal import Decimal
from pathlib import Path

from django.db.models import Sum

from governance.actions.charges import Use, charge_use
from governance.pricing import COMPUTE_SECOND, RESOURCE_PRICES
from governance.scopes import Scope, ScopeKind
from governance.selectors.starters import key_scopes
from gpu_workers.models import Incident, Proposal, Run
from gpu_workers.models.run import RunKind
from guildhall.kernel.actor import Actor

STEP = Decimal("0.000001")
"""Seconds are counted to the microsecond."""
TIMED = ("tool", "ci")
"""Kinds of steps that keep a machine busy. What waits for GitHub's checks is of another kind."""


def charge_used(*, actor: Actor, run: Run) -> Decimal:
    """Charge an ended run's compute time, once; US dollars. Safe to repeat."""
    seconds = seconds_of(run)
    if not seconds:
        return Decimal(0)
    use = Use(
        key=f"run:{run.number}:compute",
        kind="compute",
        quantity=seconds,
        unit_price=COMPUTE_SECOND,
        price_version=RESOURCE_PRICES,
        owner=run.ref,
        agent=run.agent.ref,
        resource="sandbox",
        scopes=scopes_of(run),
    )
    return charge_use(actor=actor, use=use)


def seconds_of(run: Run) -> Decimal:
    """Seconds that workers were at the run's commands and CI, to the microsecond, also in tries that came to nothing.

    What lies between two tries at a step is no use of a machine: a dead worker, a kill switch, an engine that was away.
    """
    worked = run.steps.filter(kind__in=TIMED).aggregate(seconds=Sum("seconds"))["seconds"]
    return (worked or Decimal(0)).quantize(STEP)


def bytes_under(folder: Path) -> int:
    """Size of all files under a folder, links not followed; 0 where there is none."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


def scopes_of(run: Run) -> tuple[Scope, ...]:
    """Whose limits a run's costs count for."""
    kind, _, reference = run.subject.partition(":")
    story = run.story.removeprefix("story:")
    found = [Scope(ScopeKind.RUN, str(run.number))]
    if project := _project_of(run):
        found.append(Scope(ScopeKind.PROJECT, project))
    if story:
        found.append(Scope(ScopeKind.STORY, story))
    if kind == "task":
        found.append(Scope(ScopeKind.TASK, reference))
    if run.strategy:
        found.append(Scope(ScopeKind.STRATEGY, run.strategy))
    return (*found, *key_scopes(run.subject, run.story))


def _project_of(run: Run) -> str:
    """The key of the project that a run works for; "" where what it was about is gone."""
    if run.story:
        return run.story.removeprefix("story:").rpartition("-")[0]
    about: Incident | Proposal | None = None
    if run.kind == RunKind.INCIDENT:
        about = Incident.objects.filter(pk=int(run.subject.partition(":")[2])).first()
    elif run.kind == RunKind.BACKLOG:
        about = Proposal.objects.filter(pk=int(run.subject.partition(":")[2])).first()
    return about.project if about else ""
