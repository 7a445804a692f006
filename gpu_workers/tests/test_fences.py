"""Two workers and one run: only the one that took it last may write."""

import os
import signal
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F, Sum
from django.db.models.functions import Now

from governance.pricing import COMPUTE_SECOND, use_cost
from governance.selectors import active_policy, spend_of
from gpu_workers.actions.changes import Proposal, open_change
from gpu_workers.actions.runs import (
    Ending,
    LeaseLost,
    NewRun,
    StepResult,
    advance_run,
    cancel_run,
    end_run,
    extend_lease,
    finish_step,
    postpone_run,
    queue_run,
    take_run,
)
from gpu_workers.models import Agent, ChangeRequest, Run, RunStep
from gpu_workers.models.run import BLAMELESS, DEATHS, Phase, RunKind, RunState
from gpu_workers.runs.engine import MAX_DEATHS, WITHOUT_A_WORD, execute, finish
from gpu_workers.runs.journal import Journal
from gpu_workers.runs.resting import Rest
from gpu_workers.runs.using import charge_used, seconds_of
from guildhall.kernel.errors import Conflict, Denied, RateLimited
from guildhall.kernel.tenancy import tenant_scope
from tests.support.mortal import DIED, in_child
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
PROPOSAL = Proposal("b", "1" * 40, "2" * 40, "3" * 64, [], 1, 0)


def queued(tenant: TestTenant, claim: str = "", subject: str = "task:SHOP-1.1") -> Run:
    claim = claim or f"{subject}:1"
    new = NewRun(kind=RunKind.WORK, subject=subject, story="story:SHOP-1", title="Do it", claim=claim)
    return queue_run(actor=tenant.system(), agent=Agent.objects.get(name="mason"), new=new)


def taken_over(tenant: TestTenant) -> tuple[Run, Run]:
    """The run as the dead worker and as its successor know it."""
    actor = tenant.agent("developer", "mason")
    first = take_run(actor=actor, run=queued(tenant), worker="first")
    Journal(first, actor)._begin("step", "note", Phase.PLANNER, "A step", {})
    Run.objects.filter(pk=first.pk).update(lease_until=Now())
    return first, take_run(actor=actor, run=first, worker="second")


def test_no_more_runs_begin_in_a_day_than_the_policy_allows(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        put_policy(tenant, active_policy().text.replace("agent_runs_per_day: 100", "agent_runs_per_day: 2"))
        for number in (1, 2):
            run = queued(tenant, subject=f"task:SHOP-1.{number}")
            cancel_run(actor=tenant.actor("admin"), run=run, reason="not needed any more")
        with pytest.raises(RateLimited, match="2 agent runs a day are allowed") as refusal:
            queued(tenant, subject="task:SHOP-1.3")
        assert 1 <= refusal.value.extra["retry_after"] <= 24 * 3600 + 1
        assert Run.objects.count() == 2, "what ended is not given back"
        with connection.cursor() as cursor:  # the next day begins
            cursor.execute("UPDATE governance_allowance SET began = began - interval '1 day'")
        assert queued(tenant, subject="task:SHOP-1.3").number == 3


def test_a_run_that_came_to_what_cannot_be_kept_has_failed(tenant: TestTenant) -> None:
    endings: list[Ending | Rest] = [
        Ending(RunState.SUCCEEDED, outcome={"drafts": "\ud800"}),
        Ending(RunState.ESCALATED, reason="\0"),
        Ending(RunState.SUCCEEDED, outcome={"raw": "\0"}, verdict="planned", feedback="\ud800"),
        Rest(60.0, "\ud800"),
    ]
    with tenant_scope(tenant.schema):
        actor = tenant.agent("developer", "mason")
        for number, ending in enumerate(endings):
            run = take_run(actor=actor, run=queued(tenant, subject=f"task:SHOP-1.{number}"), worker="first")
            finish(run, Journal(run, actor), ending)
            run.refresh_from_db()
            assert (run.state, run.reason.startswith("What it came to cannot be kept")) == (RunState.FAILED, True)


def test_a_held_run_is_not_taken(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        actor = tenant.agent("developer", "mason")
        run = take_run(actor=actor, run=queued(tenant), worker="first")
        with pytest.raises(LeaseLost):
            take_run(actor=actor, run=run, worker="second")
        run.refresh_from_db()
        assert (run.worker, run.fence) == ("first", 1)


def test_a_run_that_takes_its_worker_with_it_again_and_again_has_failed(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        first, run = taken_over(tenant)
        assert (first.outcome.get(DEATHS), run.outcome[DEATHS]) == (None, 1)
        actor = tenant.agent("developer", "mason")
        finish_step(actor=actor, run=run, fence=run.fence, key="step", result=StepResult({"by": "second"}))
        postpone_run(actor=actor, run=run, fence=run.fence, seconds=0, reason="its model is away")
        run = take_run(actor=actor, run=run, worker="third")
        assert DEATHS not in run.outcome, "it got on, and whoever rests has not died"
        for _ in range(MAX_DEATHS - 1):
            Run.objects.update(lease_until=Now())
            run = take_run(actor=actor, run=run, worker="a mortal")
        assert run.state == RunState.RUNNING
        Run.objects.update(lease_until=Now())
        execute(run.number)
        run.refresh_from_db()
        assert (run.state, run.reason, run.outcome[BLAMELESS]) == (RunState.FAILED, WITHOUT_A_WORD, True)


def test_every_write_of_a_worker_that_lost_its_lease_is_refused(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        actor = tenant.agent("developer", "mason")
        first, second = taken_over(tenant)
        assert (first.fence, second.fence) == (1, 2)
        with pytest.raises(LeaseLost):
            extend_lease(first.pk, first.fence)
        with pytest.raises(LeaseLost):
            finish_step(actor=actor, run=first, fence=first.fence, key="step", result=StepResult({"by": "first"}))
        with pytest.raises(LeaseLost):
            advance_run(actor=actor, run=first, fence=first.fence, phase=Phase.EXECUTOR, round_=0)
        with pytest.raises(LeaseLost):
            end_run(actor=actor, run=first, fence=first.fence, ending=Ending(RunState.SUCCEEDED, verdict="committed"))
        with pytest.raises(LeaseLost):
            open_change(
                actor=actor, run=first, fence=first.fence, step="step", task="SHOP-1.1", title="t", proposal=PROPOSAL
            )
        with pytest.raises(LeaseLost):
            Journal(first, actor)._begin("other", "note", Phase.PLANNER, "Another", {})
        assert RunStep.objects.get().response is None
        assert not ChangeRequest.objects.exists()
        finish_step(actor=actor, run=second, fence=second.fence, key="step", result=StepResult({"by": "second"}))
        assert RunStep.objects.get().response == {"by": "second"}


def test_what_lies_between_two_tries_at_a_step_is_nobodys_work(tenant: TestTenant) -> None:
    def judged_elsewhere(_: object) -> StepResult:
        return StepResult({"by": "GitHub"})

    with tenant_scope(tenant.schema):
        actor = tenant.agent("developer", "mason")
        run = take_run(actor=actor, run=queued(tenant), worker="first")
        journal = Journal(run, actor)
        for key, kind in (("executor.1.1", "tool"), ("ci.1", "ci"), ("checks.1", "checks")):
            journal._begin(key, kind, Phase.EXECUTOR, "A step", {})
            RunStep.objects.filter(key=key).update(started_at=Now() - timedelta(days=2))
            journal.step(key, kind=kind, phase=Phase.EXECUTOR, title="A step", request={}, do=judged_elsewhere)
        here = RunStep.objects.exclude(key="checks.1").aggregate(seconds=Sum("seconds"))["seconds"]
        assert seconds_of(run) == here > 0, "waiting for GitHub's checks uses no machine here"
        assert seconds_of(run) < timedelta(days=1).total_seconds()


def test_a_try_at_ci_whose_worker_was_killed_counts_once_up_to_its_last_sign_of_life(tenant: TestTenant) -> None:
    ci: dict[str, Any] = {"kind": "ci", "phase": Phase.CI_MONITOR, "title": "CI", "request": {}}
    with tenant_scope(tenant.schema):
        actor = tenant.agent("developer", "mason")
        run = take_run(actor=actor, run=queued(tenant), worker="first")

    def killed(_: object) -> StepResult:
        extend_lease(run.pk, run.fence)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    def work() -> None:
        with tenant_scope(tenant.schema):
            Journal(run, actor).step("ci.0", **ci, do=killed)

    assert in_child(work) == DIED
    with tenant_scope(tenant.schema):
        step = RunStep.objects.get()
        begun, ended = step.tried_at, Run.objects.get().lease_until
        assert begun is not None
        assert ended is not None
        known = Decimal(str((ended - settings.RUN_LEASE - begun).total_seconds()))
        assert seconds_of(run) == 0 < known
        for worker in ("second", "third"):
            # The days in which nobody was at it are nobody's, and who begins nothing has used nothing.
            Run.objects.update(lease_until=F("lease_until") - timedelta(days=2))
            RunStep.objects.filter(tried_at__isnull=False).update(tried_at=F("tried_at") - timedelta(days=2))
            run = take_run(actor=actor, run=run, worker=worker)
            assert seconds_of(run) == known
        Journal(run, actor).step("ci.0", **ci, do=lambda _: StepResult({"by": "third"}))
        done = seconds_of(run)
        assert 0 < done - known < timedelta(days=1).total_seconds()
        Journal(run, actor)._begin("ci.1", **ci)
        extend_lease(run.pk, run.fence)
        cancel_run(actor=tenant.actor("admin"), run=run, reason="not needed any more")
        assert seconds_of(run) > done, "what was ended amid its command has used a machine as well"
        used = charge_used(actor=tenant.system("cashier"), run=run)
        assert used == use_cost(seconds_of(run), COMPUTE_SECOND) > 0
        assert charge_used(actor=tenant.system("cashier"), run=run) == used == spend_of("cost_kind", "compute").spent


def test_a_cancelled_run_takes_no_more_writes(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        actor = tenant.agent("developer", "mason")
        run = take_run(actor=actor, run=queued(tenant), worker="first")
        cancel_run(actor=tenant.actor("admin"), run=run, reason="not needed any more")
        with pytest.raises(LeaseLost):
            advance_run(actor=actor, run=run, fence=run.fence, phase=Phase.EXECUTOR, round_=0)


def test_one_claim_makes_one_run(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        run = queued(tenant)
        with pytest.raises(Conflict):
            queued(tenant)
        with pytest.raises(Conflict):
            queued(tenant, "task:SHOP-1.1:2")
        cancel_run(actor=tenant.actor("admin"), run=run, reason="not needed any more")
        with pytest.raises(Conflict):
            queued(tenant)
        assert queued(tenant, "task:SHOP-1.1:2").number == 2


@pytest.mark.parametrize("role", ["viewer", "client"])
def test_onlookers_stop_nothing(tenant: TestTenant, role: str) -> None:
    with tenant_scope(tenant.schema):
        run = queued(tenant)
        with pytest.raises(Denied):
            cancel_run(actor=tenant.actor(role), run=run, reason="just because I can")


def test_people_cannot_pose_as_the_agent_at_work(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema), pytest.raises(Denied):
        take_run(actor=tenant.actor("admin"), run=queued(tenant), worker="a person")
