"""What CI costs that belongs to no run: of a rebase before its merge, and of what a person handed in.

Charged once for each time that it ran, also where it was cut off or its worker was killed.
"""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from governance.actions.charges import Use, charge_use
from governance.pricing import COMPUTE_SECOND, RESOURCE_PRICES
from governance.scopes import Scope, ScopeKind
from governance.selectors.starters import key_scopes
from gpu_workers.ci import CIOutcome
from gpu_workers.models import CIMeter
from gpu_workers.runs.keeper import HoldWatch
from gpu_workers.runs.unpaid import refuse_compute
from gpu_workers.runs.using import STEP
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import Taken
from guildhall.kernel.tenancy import release_connection
from workflows.models import Task


def metered(*, actor: Actor, task: str, run: Callable[[], CIOutcome]) -> CIOutcome:
    """The outcome of `run`, CI for a task that is named by its reference, once that is charged.

    No database connection is held while it runs. What ends without an outcome is left to `charge_left`. Raises
    `LimitExceeded` where a limit has no room for it.
    """
    refuse_compute(_scopes(_task(task)), Q(pk=None))
    meter = CIMeter.objects.create(task=task)
    release_connection()
    with HoldWatch(lambda: _alive(meter)):
        outcome = run()
    _charge(actor, meter, outcome.duration_s)
    return outcome


def charge_left(*, actor: Actor) -> None:
    """Charge CI whose worker gives no sign of life any more, up to its last one."""
    for meter in CIMeter.objects.filter(seen_at__lt=Now() - settings.RUN_LEASE):
        _charge(actor, meter, (meter.seen_at - meter.began_at).total_seconds())


def _alive(meter: CIMeter) -> None:
    CIMeter.objects.filter(pk=meter.pk).update(seen_at=Now())


def _charge(actor: Actor, meter: CIMeter, seconds: float) -> None:
    """Killed between the two, it is charged under the same key again, which is no second charge."""
    if seconds > 0:
        with suppress(Taken):
            charge_use(actor=actor, use=_use(meter, seconds))
    meter.delete()


def _use(meter: CIMeter, seconds: float) -> Use:
    task = _task(meter.task)
    return Use(
        key=f"{task.ref}:ci:{meter.pk}",
        kind="compute",
        quantity=Decimal(seconds).quantize(STEP),
        unit_price=COMPUTE_SECOND,
        price_version=RESOURCE_PRICES,
        owner=task.ref,
        agent="",
        resource="sandbox",
        scopes=_scopes(task),
    )


def _task(reference: str) -> Task:
    return Task.objects.select_related("story__project").get(reference=reference)


def _scopes(task: Task) -> tuple[Scope, ...]:
    story = task.story
    scopes = [Scope(ScopeKind.TASK, task.reference), Scope(ScopeKind.STORY, story.reference)]
    scopes.append(Scope(ScopeKind.PROJECT, story.project.key))
    if story.strategy_id is not None:
        scopes.append(Scope(ScopeKind.STRATEGY, str(story.strategy_id)))
    return (*scopes, *key_scopes(task.ref, story.ref))
