"""An answer that a worker kept is charged, also when the worker dies and nobody goes on with the run."""

import os
import signal
import threading
from decimal import Decimal

import pytest
from django.db import connection

from gateway.chat import Request
from governance.actions.money import expire_reservations
from governance.scopes import Scope, ScopeKind
from governance.selectors import budgets, total_spent
from gpu_workers.actions.runs import cancel_run, take_run
from gpu_workers.models import Run, RunStep
from gpu_workers.runs.journal import Journal
from gpu_workers.runs.model import Account, RunModel
from gpu_workers.runs.settling import settle_kept
from gpu_workers.tests.test_fences import queued
from guildhall.kernel.tenancy import tenant_scope
from tests.support.mortal import DIED, in_child
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import scripted_model

pytestmark = pytest.mark.integration
ANSWER = [{"reply": {"text": "Read the code first."}, "usage": {"prompt_tokens": 10, "completion_tokens": 100}}]
COST = Decimal("0.00031")


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
