"""Approvals when several answer, expire or execute at the same moment."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from governance.actions.outcomes import expire_due, record_outcome
from governance.selectors import approval
from governance.tests.asking import SHA, answer, ask, overdue
from governance.tests.tools import kinds_recorded, rows
from guildhall.kernel.errors import GuildhallError
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


def _race(tenant: TestTenant, *acts: Callable[[], object]) -> list[str]:
    """Outcome of each act, all begun at the same moment in threads of their own."""
    gate = threading.Barrier(len(acts))
    outcomes = [""] * len(acts)

    def run(place: int, act: Callable[[], object]) -> None:
        gate.wait()
        try:
            with tenant_scope(tenant.schema):
                outcomes[place] = str(act() and "done")
        except GuildhallError as error:
            outcomes[place] = error.code
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place, act)) for place, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_of_many_answers_at_once_one_counts(tenant: TestTenant) -> None:
    people = [tenant.actor("product_owner", name=f"PO {number}") for number in range(6)]
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
    decisions = ["approve", "reject"] * 3
    outcomes = _race(
        tenant,
        *(lambda p=person, d=decision: answer(p, asked, d) for person, decision in zip(people, decisions, strict=True)),
    )
    assert sorted(outcomes) == ["conflict"] * 5 + ["done"]
    with tenant_scope(tenant.schema):
        assert rows("SELECT count(*) FROM governance_approvalvote") == [(1,)]
    assert kinds_recorded(tenant).count("governance.approval.decided") == 1


def test_one_person_in_two_windows_votes_once(tenant: TestTenant) -> None:
    po = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        asked = ask(tenant, risk="high")
    assert sorted(_race(tenant, *[lambda: answer(po, asked)] * 4)) == ["conflict"] * 3 + ["done"]
    with tenant_scope(tenant.schema):
        assert approval(po, asked.number).state == "pending"


def test_deciding_against_expiry_never_approves_what_is_over(tenant: TestTenant) -> None:
    po = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
        overdue(asked)
    outcomes = _race(
        tenant, lambda: answer(po, asked), lambda: expire_due(actor=tenant.system()), lambda: answer(po, asked)
    )
    assert (outcomes[0], outcomes[2]) == ("conflict", "conflict")
    with tenant_scope(tenant.schema):
        assert approval(po, asked.number).state == "expired"


def test_one_of_many_executions_counts(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
        answer(tenant.actor("product_owner"), asked)
    execute = [lambda: record_outcome(actor=tenant.system(), approval=asked.number, receipt={"merged_sha": SHA})] * 4
    assert sorted(_race(tenant, *execute)) == ["conflict"] * 3 + ["done"]
