"""What wakes a run that waits for tokens or money: room, time, people; also when who should have told it is dead."""

import os
import signal
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest

from governance.actions.limits import set_limit
from governance.actions.money import release, reserve
from governance.actions.outcomes import expire_due
from governance.actions.overrides import KIND, override_budget
from governance.pricing import COMPUTE_SECOND, STORAGE_GIB, use_cost
from governance.scopes import ScopeKind, Window
from governance.selectors import active_policy, approval, budgets, entries_of, pending_for, spend_by, total_spent
from governance.selectors.money import DIMENSIONS
from governance.tests.asking import answer, overdue
from governance.tests.tools import an_hour_passes, rows
from governance.views import ApprovalView, ReservationRef
from gpu_workers.dispatch import dispatch
from gpu_workers.models import Run, RunStep
from gpu_workers.models.run import RunState
from gpu_workers.runs.engine import execute
from gpu_workers.runs.storing import charge_stored
from gpu_workers.runs.using import charge_used, seconds_of
from gpu_workers.tasks import wake_runs
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import RIGHT, planning, verdicts, writing
from tests.story.test_bugfix_story import STORY
from tests.support.clients import signed_in
from tests.support.mortal import DIED, in_child
from tests.support.policies import put_policy
from tests.support.pump import consume, relay, settle
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration
SCRIPT = [*planning(), *writing(RIGHT, contains=["Carry the task out now."]), *verdicts()]


class Purse:
    """The money of one organisation, and the one run in it that works."""

    def __init__(self, tenant: TestTenant) -> None:
        self.tenant, self.owner, self.schema = tenant, tenant.actor("product_owner"), tenant.schema
        self.held: ReservationRef | None = None
        self.due: dict[str, Callable[[], None]] = {}

    def observe(self, boundary: str, key: str) -> None:
        """Do what is due once the step `key` is done."""
        if boundary == "done" and key in self.due:
            with tenant_scope(self.schema):
                self.due.pop(key)()

    def run(self) -> Run:
        return Run.objects.get(kind="work")

    def begun(self) -> bool:
        with tenant_scope(self.schema):
            return Run.objects.filter(kind="work").exists()

    def limit(self, amount: str, kind: ScopeKind, window: Window) -> None:
        number = "" if kind == ScopeKind.TENANT else str(self.run().number)
        admin = self.tenant.actor("admin")
        set_limit(actor=admin, kind=kind, scope_id=number, window=window, amount=Decimal(amount))

    def fill(self) -> None:
        """Somebody else reserves nearly all that is left of this hour."""
        [left] = [limit.left for limit in budgets(kind=ScopeKind.TENANT) if limit.window == "hour"]
        self.held = reserve(
            actor=self.tenant.system(),
            key=f"other-{left}",
            amount=left - Decimal("0.0001"),
            scopes=[],
            owner="run:other",
            model="scripted-team",
            price_version="tests",
            ttl_s=600,
        )

    def an_hour_passes(self) -> None:
        """All that was counted by the hour was counted in one that is long over."""
        an_hour_passes()
        run = self.run()
        budget = {**run.outcome["budget"], "until": "2026-01-01T01:00:00+00:00"}
        Run.objects.filter(pk=run.pk).update(outcome={**run.outcome, "budget": budget})

    def asked(self) -> ApprovalView:
        [one] = [view for view in pending_for(self.owner) if view.kind == KIND]
        return one

    def raise_and_die(self, asked: ApprovalView) -> None:
        """The process that carries an approval out is killed before anybody heard of it."""
        with tenant_scope(self.schema):
            override_budget(actor=self.tenant.system("executor"), approval=asked.number, binding=asked.binding)
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_waiting_run_goes_on_whatever_makes_room_and_whoever_dies(tenant: TestTenant) -> None:
    world, purse = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py"), Purse(tenant)
    purse.due = {
        "plan": purse.fill,
        "executor.1": lambda: purse.limit("0.001", ScopeKind.RUN, Window.TOTAL),
        "executor.2": lambda: purse.limit("0.001", ScopeKind.RUN, Window.TOTAL),
    }
    with scripted_model(SCRIPT) as model:
        story = world.story(**STORY)
        with tenant_scope(tenant.schema):
            purse.limit("0.10", ScopeKind.TENANT, Window.HOUR)
        too_many_tokens(purse, len(model.journal))
        settle(tenant.schema, purse.observe)
        others_give_back(purse)
        the_next_hour(purse)
        nobody_answers(purse)
        approved_and_killed(purse)
        raised_and_not_told(purse)
        settle(tenant.schema, purse.observe)
    assert purse.due == {}
    assert world.task(story).state == "pending_po_approval"
    with tenant_scope(tenant.schema):
        assert purse.run().state == RunState.SUCCEEDED
        assert RunStep.objects.filter(kind="model").count() == len(model.journal), "each call was made once"
        what_else_it_used(purse)


def too_many_tokens(purse: Purse, asked: int) -> None:
    """A minute's tokens are used up: the run rests until there are more, and that is no failed try."""
    with purse.tenant.scope():
        text = active_policy().text
        put_policy(purse.tenant, text.replace("tokens_per_minute: 200000", "tokens_per_minute: 10"))
    while not purse.begun():
        with purse.tenant.scope():
            dispatch()
        relay()
        consume(purse.schema)
    with purse.tenant.scope():
        execute(purse.run().number)
        run = purse.run()
        assert (run.state, run.lease_until, run.outcome["tries"]) == (RunState.RUNNING, None, 0)
        assert "10 tokens a minute are allowed" in run.reason
        [(wait,)] = rows("SELECT retry_at - now() FROM gpu_workers_run WHERE number = %s", run.number)
        assert timedelta(0) < wait <= timedelta(minutes=1, seconds=10)
        assert RunStep.objects.filter(kind="model", finished_at__isnull=False).count() == asked, "nothing was asked"
        put_policy(purse.tenant, text)


def others_give_back(purse: Purse) -> None:
    """What others had set aside comes back: the scheduler finds room, and people are asked no more as long as there is."""
    with purse.tenant.scope():
        assert "the hour limit of tenant" in purse.run().reason
        first = purse.asked()
        wake_runs()
        assert purse.run().state == RunState.WAITING, "no room, no call"
        assert purse.held is not None
        release(actor=purse.tenant.system(), reservation=purse.held)
        wake_runs()
        assert (purse.run().state, approval(purse.owner, first.number).state) == (RunState.QUEUED, "void")
        purse.fill()
    settle(purse.schema, purse.observe)
    with purse.tenant.scope():
        assert purse.run().state == RunState.WAITING


def the_next_hour(purse: Purse) -> None:
    """People say no: the run says so and waits on, and the next hour wakes it."""
    with purse.tenant.scope():
        asked = purse.asked()
        answer(purse.owner, asked, "reject", feedback="It can wait for the next hour.")
    settle(purse.schema, purse.observe)
    with purse.tenant.scope():
        run = purse.run()
        assert run.state == RunState.WAITING
        for words in (f"#{asked.number}", "is rejected", "It can wait for the next hour.", "admin", "UTC by itself"):
            assert words in run.reason
        before = rows("SELECT count(*) FROM outbox_event")
        wake_runs()
        assert rows("SELECT count(*) FROM outbox_event") == before, "it is told once, and nobody is asked again"
        purse.an_hour_passes()
        wake_runs()
        assert purse.run().state == RunState.QUEUED
    settle(purse.schema, purse.observe)


def nobody_answers(purse: Purse) -> None:
    """A question that ran out leaves the run where it is, and whoever tries again has people asked again."""
    with purse.tenant.scope():
        run, asked = purse.run(), purse.asked()
        assert (run.state, f"the total limit of run {run.number}" in run.reason) == (RunState.WAITING, True)
        overdue(asked)
        assert expire_due(actor=purse.tenant.system()) == 1
    settle(purse.schema, purse.observe)
    with purse.tenant.scope():
        assert purse.run().state == RunState.WAITING
        assert f"Approval #{asked.number} of more is expired" in purse.run().reason
        assert [view for view in pending_for(purse.owner) if view.kind == KIND] == []
    browser = signed_in(purse.tenant, purse.tenant.member("developer"))
    page = browser.get(f"/runs/{run.number}/").content.decode()
    assert "It waits for its budget" in page
    assert f"Go on with run {run.number}" in page
    form = {"reason": "The customer waits for this."}
    sent = browser.submit(f"/runs/{run.number}/retry/", form, form_at=f"/runs/{run.number}/")
    assert sent.status_code == 302
    settle(purse.schema, purse.observe)
    with purse.tenant.scope():
        assert purse.run().state == RunState.WAITING
        assert purse.asked().number > asked.number


def approved_and_killed(purse: Purse) -> None:
    """The override raised the limit and its process died there: the scheduler wakes the run, and it is not done twice."""
    with purse.tenant.scope():
        asked = purse.asked()
        answer(purse.owner, asked)
    assert in_child(lambda: purse.raise_and_die(asked)) == DIED
    with purse.tenant.scope():
        assert approval(purse.owner, asked.number).state == "executed", "the receipt came with the effect"
        wake_runs()
        assert purse.run().state == RunState.QUEUED
    settle(purse.schema, purse.observe)
    with purse.tenant.scope():
        done = approval(purse.owner, asked.number)
        assert (done.state, done.outcome) == ("executed", {"limit_usd": asked.binding["ceiling_usd"]})
        told = "SELECT kind FROM outbox_event WHERE kind IN (%s, %s) AND payload ->> %s = %s ORDER BY id"
        number = str(asked.number)
        raised, executed = "governance.budget.overridden", "governance.approval.executed"
        assert rows(told, raised, executed, "approval", number) == [(raised,)]
        assert rows(told, raised, executed, "number", number) == [(executed,)]


def raised_and_not_told(purse: Purse) -> None:
    """An admin raised the limit and whoever should tell of it is dead: the scheduler wakes the run and ends the question."""
    with purse.tenant.scope():
        asked = purse.asked()
        purse.limit("1", ScopeKind.RUN, Window.TOTAL)
        wake_runs()
        assert (purse.run().state, approval(purse.owner, asked.number).state) == (RunState.QUEUED, "void")


def what_else_it_used(purse: Purse) -> None:
    """Seconds in the sandbox and a day of storage are a line each, once, with one owner; all breakdowns add up."""
    run, cashier = purse.run(), purse.tenant.system("cashier")
    [compute] = [line for line in entries_of("run", str(run.number)) if line.cost_kind == "compute"]
    assert (compute.owner, compute.agent, compute.quantity) == (run.ref, run.agent.ref, seconds_of(run))
    assert compute.spent_delta == use_cost(compute.quantity, COMPUTE_SECOND) > 0
    assert charge_used(actor=cashier, run=run) == compute.spent_delta
    for day in (date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 21)):
        assert charge_stored(actor=cashier, day=day) > 0
    stored = entries_of("owner", "repository:till")
    assert [(line.cost_kind, line.key[-10:]) for line in stored] == [
        ("storage", "2026-11-21"),
        ("storage", "2026-11-20"),
    ]
    assert [line.spent_delta for line in stored] == [use_cost(line.quantity, STORAGE_GIB) for line in stored]
    assert {line.key for line in entries_of("project", "TILL")} >= {line.key for line in stored}
    for dimension in sorted(DIMENSIONS):
        assert sum(line.spent for line in spend_by(dimension)) == total_spent(), dimension
    assert {line.owner for line in spend_by("cost_kind")} == {"model", "compute", "storage"}
