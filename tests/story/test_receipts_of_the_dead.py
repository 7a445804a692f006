"""What people allowed has its receipt where it was done and is void where it was not, whoever died and whatever came after."""

import os
import signal

import pytest

from governance.selectors import active_policy
from governance.tests.tools import kinds_recorded
from governance.views import ApprovalView
from gpu_workers.actions.changes import close_change
from gpu_workers.actions.retries import retry_run
from gpu_workers.actions.runs import cancel_run
from gpu_workers.models import ChangeRequest, Run
from gpu_workers.runs.engine import execute
from gpu_workers.runs.settling import settle_asked
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import mending
from tests.story.test_approved_not_done import answer, asked, dies_after, now
from tests.story.test_bugfix_story import STORY
from tests.story.test_judges import dies_at
from tests.support.policies import put_policy
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration
EXECUTED, OPENED = "governance.approval.executed", "delivery.change.opened"


def heard(world: World) -> None:
    """Everybody hears of everything, and no agent begins anything."""
    relay()
    consume(world.tenant.schema)


def cancelled(world: World, run: Run) -> None:
    with tenant_scope(world.tenant.schema):
        cancel_run(actor=world.tenant.actor("admin"), run=run, reason="not needed")
    heard(world)


def allowed(world: World, kind: str, step: str) -> tuple[Run, ApprovalView]:
    """What the last run of a kind waits for at a step, which a person allows now."""
    run, given = asked(world, kind)
    assert given.binding["step"] == step
    answer(world, given, "approve")
    heard(world)
    return run, given


def dies_proposing(world: World, run: Run, at: str) -> None:
    """A worker goes on with the run and is killed -9 at a boundary of opening its change request."""

    def die(boundary: str, key: str) -> None:
        if (boundary, key) == (at, "propose"):
            os.kill(os.getpid(), signal.SIGKILL)

    dies_after(world, lambda: execute(run.number, die))


def asked_anew(world: World, run: Run) -> None:
    """Agents try again what a cancelled run was about."""
    with tenant_scope(world.tenant.schema):
        retry_run(actor=world.tenant.actor("developer"), run=run, reason="Agents try it again.")
    world.settle()


def test_what_was_allowed_is_told_as_done_exactly_where_it_was(tenant: TestTenant) -> None:
    """Change requests opened and not, then a verdict that never counted; each answer is of one run, and is used once."""
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "true")
    with tenant_scope(tenant.schema):
        put_policy(tenant, active_policy().text.replace("threshold: 0.70", "threshold: 1"))
    before = kinds_recorded(tenant).count(EXECUTED)
    with scripted_model(mending()):
        world.story(**STORY)
        world.settle()
        for boundary, came in (("begun", "void"), ("answered", "executed"), ("done", "executed")):
            run, given = allowed(world, "work", "propose")
            dies_proposing(world, run, boundary)
            with tenant_scope(tenant.schema):
                opened = ChangeRequest.objects.filter(run=run)
                assert opened.exists() is (came == "executed")
                # Nobody has heard of the end yet, and what the task's change consists of is somebody else's by now.
                opened.update(head_sha="0" * 40, diff_hash="0" * 64)
            cancelled(world, run)
            assert now(world, given).state == came
            with tenant_scope(tenant.schema):
                settle_asked(actor=tenant.system("executor"), run=Run.objects.get(pk=run.pk))
                for change in ChangeRequest.objects.filter(state="open"):
                    close_change(actor=tenant.system(), change=change)
            asked_anew(world, run)
        kinds = kinds_recorded(tenant)
        assert (kinds.count(EXECUTED) - before, kinds.count(OPENED)) == (2, 2), (
            "each is told once, and each run had to ask"
        )

        allowed(world, "work", "propose")
        world.settle()
        judge, given = allowed(world, "review", "verdict")
        dies_at(world, judge, "run.end")
        assert now(world, given).state == "approved", "a verdict counts once its run has ended with it"
        cancelled(world, judge)
        assert now(world, given).state == "void"
        asked_anew(world, judge)
        _, given = allowed(world, "review", "verdict")
        world.settle()
        assert now(world, given).state == "executed"
