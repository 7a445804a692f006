"""What a run used besides models: seconds of commands and CI, and what it leaves on the disk."""

import os
from decimal import Decimal
from pathlib import Path

from governance.actions.charges import Use, charge_use
from governance.pricing import COMPUTE_SECOND, RESOURCE_PRICES, STORAGE_GIB
from governance.scopes import Scope, ScopeKind
from gpu_workers.folders import workspace_folder
from gpu_workers.models import Run
from guildhall.kernel.actor import Actor

TIMED = ("tool", "ci")
"""Kinds of steps that keep a machine busy."""
GIB = Decimal(2**30)
STEP = Decimal("0.000001")


def charge_used(*, actor: Actor, run: Run) -> Decimal:
    """Charge an ended run's compute time and storage, once; US dollars. Safe to repeat."""
    seconds, stored = seconds_of(run), bytes_under(workspace_folder(run.number))
    uses = [
        ("compute", "sandbox", seconds, COMPUTE_SECOND),
        ("storage", "workspace", (Decimal(stored) / GIB).quantize(STEP), STORAGE_GIB),
    ]
    return sum((_charge(actor, run, *use) for use in uses if use[2]), Decimal(0))


def seconds_of(run: Run) -> Decimal:
    """Seconds that the run's commands and CI took, to the microsecond."""
    steps = run.steps.filter(kind__in=TIMED, finished_at__isnull=False).values_list("started_at", "finished_at")
    took = sum((max(0.0, (finished - started).total_seconds()) for started, finished in steps if finished), 0.0)
    return Decimal(took).quantize(STEP)


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
    if story:
        found += [Scope(ScopeKind.STORY, story), Scope(ScopeKind.PROJECT, story.rpartition("-")[0])]
    if kind == "task":
        found.append(Scope(ScopeKind.TASK, reference))
    if run.strategy:
        found.append(Scope(ScopeKind.STRATEGY, run.strategy))
    return tuple(found)


def _charge(actor: Actor, run: Run, kind: str, resource: str, quantity: Decimal, price: Decimal) -> Decimal:
    use = Use(
        key=f"run:{run.number}:{kind}",
        kind=kind,
        quantity=quantity,
        unit_price=price,
        price_version=RESOURCE_PRICES,
        owner=run.ref,
        agent=run.agent.ref,
        resource=resource,
        scopes=scopes_of(run),
    )
    return charge_use(actor=actor, use=use)
