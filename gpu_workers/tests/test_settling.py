"""What a worker left behind is settled when nobody goes on with its run: answers are charged, plans are told of."""

import os
import signal
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from gateway.chat import Request
from governance.actions.holds import place_hold
from governance.actions.money import expire_reservations
from governance.scopes import Scope, ScopeKind
from governance.selectors import approval, budgets, total_spent
from governance.tests.asking import answer, ask
from governance.views import ApprovalView
from gpu_workers.actions.halts import note_let_go
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.actions.runs import Ending, StepResult, cancel_run, end_run, take_run
from gpu_workers.actions.steps import begin_applying, close_step, tell_applied
from gpu_workers.applying.outcomes import begun_with
from gpu_workers.leaving import Leaving
from gpu_workers.models import Run, RunStep
from gpu_workers.models.run import Phase, RunState
from gpu_workers.runs.asking import arguments_hash, arguments_text
from gpu_workers.runs.journal import Journal
from gpu_workers.runs.model import Account, RunModel
from gpu_workers.runs.settling import settle_kept
from gpu_workers.runs.work import PROPOSE
from gpu_workers.tests.test_fences import queued
from gpu_workers.tools.handing_in import HAND_IN
from guildhall.evidence.selectors import recent
from guildhall.kernel.errors import Conflict
from guildhall.kernel.redaction import redact_data
from guildhall.kernel.tenancy import tenant_scope
from tests.support.mortal import DIED, in_child
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import scripted_model

pytestmark = pytest.mark.integration
ANSWER = [{"reply": {"text": "Read the code first."}, "usage": {"prompt_tokens": 10, "completion_tokens": 100}}]
COST = Decimal("0.00031")
STEP = "executor.2.1"
FACTS = {
    "plan": "executor.1.1",
    "plan_hash": "ab" * 32,
    "commit_sha": "c" * 40,
    "environment": "shop:main",
    "place": "db",
}
ENDED = "delivery.plan.apply_ended"
UNKNOWN = (
    "does not know how much of plan executor.1.1 (abababababab) of run {} was applied to db: "
    "0 of its 2 parts are known to be there"
)


def ask_and_die(tenant: TestTenant, number: int) -> None:
    """A worker whose model answered, and that is killed between keeping the answer and paying for it."""

    def die(boundary: str, key: str) -> None:
        if boundary == "kept":
            os.kill(os.getpid(), signal.SIGKILL)

    with tenant_scope(tenant.schema):
        actor = tenant.agent("developer", "mason")
        run = take_run(actor=actor, run=Run.objects.get(number=number), worker="a mortal")
        account = Account(run.ref, (Scope(ScopeKind.RUN, str(number)),))
        model = RunModel(Journal(run, actor, die), "code", account, threading.Event())
        model.ask("plan", Request([{"role": "user", "content": "What first?"}], max_tokens=200), "Plan")


@pytest.mark.parametrize("swept", [False, True], ids=["open", "expired"])
def test_a_kept_answer_of_a_cancelled_run_is_charged_once(tenant: TestTenant, swept: bool) -> None:
    with scripted_model(ANSWER) as server:
        with tenant_scope(tenant.schema):
            number = queued(tenant).number
        assert in_child(lambda: ask_and_die(tenant, number)) == DIED
        with tenant_scope(tenant.schema):
            assert total_spent() == 0
            run = cancel_run(actor=tenant.actor("admin"), run=Run.objects.get(number=number), reason="not needed")
            if swept:
                with connection.cursor() as cursor:
                    cursor.execute("UPDATE governance_reservation SET expires_at = now()")
                assert expire_reservations(actor=tenant.system()) == 1
        relay()
        consume(tenant.schema)
        with tenant_scope(tenant.schema):
            assert total_spent() == COST
            assert settle_kept(actor=tenant.system(), run=run) == 0
            step = RunStep.objects.get()
            assert (step.cost, step.tokens_in, step.finished_at is not None) == (COST, 10, True)
            assert [limit.reserved for limit in budgets(kind=ScopeKind.TENANT)] == [0, 0]
        assert [call["status"] for call in server.journal] == [200]


def at_applying(tenant: TestTenant, task: int) -> Run:
    """A run whose worker is about to apply a plan."""
    actor = tenant.agent("developer", "mason")
    run = take_run(actor=actor, run=queued(tenant, subject=f"task:SHOP-1.{task}"), worker="first")
    Journal(run, actor)._begin(STEP, "tool", Phase.EXECUTOR, "migrate_apply", {"arguments": {"plan": "executor.1.1"}})
    begin(tenant, run, run.fence)
    return run


def begin(tenant: TestTenant, run: Run, fence: int) -> None:
    about = begun_with(FACTS, 2, "migrate_apply", fence)
    begin_applying(actor=tenant.agent("developer", "mason"), run=run, fence=fence, key=STEP, about=about)


def ends(tenant: TestTenant) -> list[str]:
    """What is said of plans at their ends, once everybody has heard of everything."""
    relay()
    consume(tenant.schema)
    with tenant_scope(tenant.schema):
        return [str(row["sentence"]) for row in reversed(recent(kinds=[ENDED]))]


def test_what_was_begun_to_be_applied_is_told_once_however_the_run_ends(tenant: TestTenant) -> None:
    actor, admin = tenant.agent("developer", "mason"), tenant.actor("admin")
    with tenant_scope(tenant.schema):
        for number, state in enumerate((RunState.FAILED, RunState.ESCALATED), 1):
            run = at_applying(tenant, number)
            end_run(actor=actor, run=run, fence=run.fence, ending=Ending(state, reason="It met a limit."))
    said = [UNKNOWN.format(1), UNKNOWN.format(2)]
    assert ends(tenant) == said
    with tenant_scope(tenant.schema):
        halted = at_applying(tenant, 3)
        place_hold(actor=admin, kind="run", target="3", reason="Enough seen.")
    assert ends(tenant) == said, "it goes on from there, and whoever does finds out"
    with tenant_scope(tenant.schema):
        cancel_run(actor=admin, run=halted, reason="not needed")
    assert ends(tenant) == said, "its worker may be about to say more"
    with tenant_scope(tenant.schema):
        note_let_go(actor=actor, run=halted, fence=halted.fence)
    assert ends(tenant) == [*said, UNKNOWN.format(3)]
    with tenant_scope(tenant.schema):
        with pytest.raises(Conflict, match="has ended"):
            close_step(actor=tenant.system(), run=halted, key=STEP, result=StepResult({"ok": True}))
        steps = RunStep.objects.filter(key=STEP).values_list("ok", "response__outcome")
        assert set(steps) == {(False, "unknown")}


def test_what_was_allowed_and_done_has_its_receipt_although_its_worker_died_before_it_wrote_one(
    tenant: TestTenant,
) -> None:
    actor, owner = tenant.agent("developer", "mason"), tenant.actor("product_owner")
    done, other = {"command": "make PASSWORD=hunter2hunter2"}, {"command": "make clean"}
    opened, unlike = ({"head_sha": "c" * 40, "diff_hash": letter * 64} for letter in "de")

    def asked(run: Run, arguments: dict[str, Any], step: str = STEP, tool: str = "run_command") -> ApprovalView:
        # What people see of a secret is not what was hashed.
        call = arguments_text(tool, redact_data(arguments)), arguments_hash(tool, arguments)
        binding = {"step": step, "call": call[0], "arguments_hash": call[1]}
        who: dict[str, Any] = {"kind": "agent_action", "subject": run.ref, "eligible_roles": ["product_owner"]}
        return answer(owner, ask(tenant, binding=binding, title=call[0], **who))

    with tenant_scope(tenant.schema):
        run = take_run(actor=actor, run=queued(tenant), worker="first")
        given = [asked(run, done), asked(run, other), *(asked(run, one, PROPOSE, HAND_IN) for one in (opened, unlike))]
        about: dict[str, Any] = {"kind": "tool", "phase": Phase.EXECUTOR, "title": "run_command"}
        Journal(run, actor).step(STEP, **about, request={"arguments": done}, do=lambda _: StepResult({"ok": True}))
        about = {"kind": "change", "phase": Phase.FINALIZER, "title": "Open a change request", "request": {}}
        Journal(run, actor).step(PROPOSE, **about, do=lambda _: StepResult({"change": 1, **opened}))
        cancel_run(actor=tenant.actor("admin"), run=run, reason="not needed")
    relay()
    consume(tenant.schema)
    with tenant_scope(tenant.schema):
        found = [approval(owner, one.number) for one in given]
        assert [one.state for one in found] == ["executed", "void"] * 2
        assert [(one.outcome or {})["ok"] for one in found[::2]] == [True] * 2


def test_only_who_applied_last_says_what_came_of_it_in_a_run_that_was_taken_away(tenant: TestTenant) -> None:
    actor = tenant.agent("developer", "mason")
    done = StepResult({"ok": True, "outcome": "applied", "applied": 2})
    cut = StepResult({"ok": False, "outcome": "unknown", "applied": 1}, ok=False)
    with tenant_scope(tenant.schema):
        first = at_applying(tenant, 1)
        about: dict[str, Any] = {"actor": actor, "run": first, "key": STEP}
        Run.objects.update(lease_until=None)
        second = take_run(actor=actor, run=first, worker="second")
        with pytest.raises(LeaseLost):
            begin(tenant, first, first.fence)
        with pytest.raises(LeaseLost):
            tell_applied(**about, fence=first.fence, result=done)
        begin(tenant, second, second.fence)
        place_hold(actor=tenant.actor("admin"), kind="run", target="1", reason="Enough seen.")
        for fence, result in ((first.fence, done), (second.fence, cut)):
            with pytest.raises(LeaseLost):
                tell_applied(**about, fence=fence, result=result)
        tell_applied(**about, fence=second.fence, result=done)
        with pytest.raises(LeaseLost):
            tell_applied(**about, fence=second.fence, result=done)
        begun = [str(row["sentence"]) for row in reversed(recent(kinds=["delivery.plan.apply_begun"]))]
    what = "plan executor.1.1 (abababababab) of run 1"
    assert begun == [f"began to apply {what} to db", f"goes on applying {what} to db"]
    assert ends(tenant) == [f"applied {what} to db"]


def test_an_organisation_leaves_only_once_what_it_was_applying_is_told_of(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        at_applying(tenant, 1)
    assert Leaving().unfinished(tenant.schema) == "workers hold 1 of its runs"
    with tenant_scope(tenant.schema):
        Run.objects.update(lease_until=Now())
    assert Leaving().unfinished(tenant.schema) == "workers hold 1 of its plans", "its worker may only be slow"
    with tenant_scope(tenant.schema):
        Run.objects.update(ended_at=Now() - settings.RUN_LEASE)
    assert Leaving().unfinished(tenant.schema) == ""
    assert ends(tenant) == [UNKNOWN.format(1)]
