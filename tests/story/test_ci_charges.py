"""CI that is no run's is charged to its task, once, also when its worker is killed -9 or it is taken back meanwhile."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F

from governance.actions.limits import set_limit
from governance.pricing import COMPUTE_SECOND, use_cost
from governance.scopes import ScopeKind, Window
from governance.selectors import entries_of
from governance.views import EntryView
from gpu_workers import ci_runs, metering
from gpu_workers.handing_in import carry_out_hand_in
from gpu_workers.metering import charge_left
from gpu_workers.models import CIMeter, HandIn
from gpu_workers.tasks import look_after_tenant
from tests.story.test_handed_in_by_people import BEFORE, RIGHT, act, hand_in, patch_of, world_of
from tests.story.test_handed_in_on_github import carried_out
from tests.support.mortal import DIED, in_child
from tests.support.processes import until
from tests.support.tenants import TestTenant
from tests.support.world import World
from workflows.models import Task

pytestmark = pytest.mark.integration
DAYS = timedelta(days=2)
LOUD = patch_of("shout.py", BEFORE, RIGHT)


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_amid_it(*_: Any, **__: Any) -> None:
    until(lambda: CIMeter.objects.filter(seen_at__gt=F("began_at")).exists(), what="a sign of life")
    die()


def killed(world: World, work: Callable[[], object], place: tuple[Any, str], death: Callable[..., None]) -> None:
    """Have a worker at `work` die at `place`; the meter that it left is two days old then."""

    def to_death() -> None:
        with world.tenant.scope(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(*place, death)
            work()

    assert in_child(to_death) == DIED
    with world.tenant.scope():
        charge_left(actor=world.tenant.system())
        assert CIMeter.objects.exists(), "it may live yet"
        CIMeter.objects.update(began_at=F("began_at") - DAYS, seen_at=F("seen_at") - DAYS)


def limited(world: World, task: Task, usd: str) -> None:
    with world.tenant.scope():
        admin = world.tenant.actor("admin")
        set_limit(actor=admin, kind=ScopeKind.TASK, scope_id=task.reference, window=Window.TOTAL, amount=Decimal(usd))


def test_ci_of_a_hand_in_whose_worker_was_killed_is_charged_once_up_to_its_last_sign_of_life(
    tenant: TestTenant,
) -> None:
    world, task = world_of(tenant)
    ada, cashier = tenant.actor("developer", name="ada"), tenant.system()
    act(world, ada, "claim_task")
    made = hand_in(world, ada, LOUD)

    def charged() -> list[EntryView]:
        return entries_of("owner", task.ref)

    def work() -> None:
        HandIn.objects.update(lease_until=None, retry_at=None)
        carry_out_hand_in(made.pk)

    limited(world, task, "0.00001")
    assert "total limit of task" in carried_out(world, made).reason, "without money for it no CI begins"
    limited(world, task, "1")
    killed(world, work, (ci_runs, "run_ci"), die_amid_it)
    with tenant.scope():
        left = CIMeter.objects.get()
        taken = Decimal(str((left.seen_at - left.began_at).total_seconds()))
        look_after_tenant._fn(thorough=True)
        [line] = charged()
        assert (line.quantity, line.spent_delta) == (taken, use_cost(taken, COMPUTE_SECOND))
        assert 0 < taken < DAYS.total_seconds()
        assert entries_of("project", "ECHO") == [line]
        charge_left(actor=cashier)
        metering._charge(cashier, CIMeter(pk=left.pk, task=left.task), 5.0)
        assert charged() == [line], "a worker that was believed dead pays no second time"
    killed(world, work, (CIMeter, "delete"), die)
    with tenant.scope():
        assert len(charged()) == 2, "killed once it was charged"

    def charge() -> None:
        with tenant.scope():
            charge_left(actor=cashier)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(charge) for _ in range(2)]:
            done.result()
    with tenant.scope():
        assert (len(charged()), CIMeter.objects.count()) == (2, 0)
        HandIn.objects.update(lease_until=None)
    assert carried_out(world, made).state == "green"
    with tenant.scope():
        assert (len(charged()), CIMeter.objects.count()) == (3, 0)
