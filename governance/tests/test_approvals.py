"""Approvals: who may answer, what the answer covers, and that it covers it once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection

from governance.actions.approvals import request_approval
from governance.actions.outcomes import alarm_unexecuted, expire_due, record_outcome, void_approvals
from governance.selectors import approval, approvals_visible_to, approved_for, latest_approval, pending_for
from governance.tests.asking import SHA, answer, ask, overdue
from governance.tests.tools import kinds_recorded
from guildhall.kernel.actor import Actor, ActorKind
from guildhall.kernel.errors import Conflict, Denied, Invalid, NotFound
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


def test_from_question_to_receipt(tenant: TestTenant) -> None:
    po = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
        assert (asked.state, asked.quorum, asked.binding["policy_version"]) == ("pending", 1, 1)
        assert [view.number for view in pending_for(po)] == [asked.number]
        approved = answer(po, asked)
        assert (approved.state, approved.votes[0].voter) == ("approved", po.ref)
        assert pending_for(po) == []
        assert approved_for(asked.number, {"commit_sha": SHA}).state == "approved"
        done = record_outcome(actor=tenant.system(), approval=asked.number, receipt={"merged_sha": SHA})
        assert (done.state, done.outcome) == ("executed", {"merged_sha": SHA})
    assert [kind for kind in kinds_recorded(tenant) if "approval" in kind] == [
        "governance.approval.requested",
        "governance.approval.decided",
        "governance.approval.executed",
    ]


def test_the_same_question_while_it_waits_is_the_same_approval(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        first, again, other = ask(tenant), ask(tenant), ask(tenant, sha="ef" * 20)
        assert first.number == again.number != other.number
        answer(tenant.actor("product_owner"), first, "reject")
        assert ask(tenant).number not in (first.number, other.number)


@pytest.mark.parametrize(("decision", "state"), [("changes", "changes_requested"), ("reject", "rejected")])
def test_no_needs_words(tenant: TestTenant, decision: str, state: str) -> None:
    po = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
        with pytest.raises(Invalid) as short:
            answer(po, asked, decision, feedback="  too short ")
        assert "feedback" in short.value.fields
        assert answer(po, asked, decision).state == state
        with pytest.raises(Conflict):
            approved_for(asked.number, {"commit_sha": SHA})


def _agent(tenant: TestTenant) -> Actor:
    return Actor(kind=ActorKind.AGENT, id="paul", name="Paul", tenant=tenant.schema, roles=frozenset({"product_owner"}))


DENIED: dict[str, Callable[[TestTenant], Actor]] = {
    "an agent": _agent,
    "the system": lambda tenant: tenant.system(),
    "a client": lambda tenant: tenant.actor("client"),
    "the wrong role": lambda tenant: tenant.actor("developer"),
    "the requester": lambda tenant: tenant.actor("product_owner", name="Requester"),
    "an author": lambda tenant: tenant.actor("product_owner", name="Author"),
}


@pytest.mark.parametrize("who", DENIED)
def test_who_never_decides(tenant: TestTenant, who: str) -> None:
    requester = tenant.actor("product_owner", name="Requester")
    author = tenant.actor("product_owner", name="Author")
    actor = DENIED[who](tenant)
    with tenant_scope(tenant.schema):
        asked = ask(tenant, requester=requester.ref, excluded=[author.ref])
        for decision in ("approve", "changes", "reject"):
            with pytest.raises(Denied):
                answer(actor, asked, decision)
        assert pending_for(actor) == []
        assert approval(author, asked.number).state == "pending"
    assert kinds_recorded(tenant).count("platform.action.denied") == 3


def test_an_answer_covers_what_was_seen_only(tenant: TestTenant) -> None:
    po = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
        for seen in ("", asked.binding_hash[:-1] + "0", asked.binding_hash.upper(), "0" * 64):
            with pytest.raises(Conflict, match="not what would happen"):
                answer(po, asked, binding_hash=seen)
        answer(po, asked)
        for facts in ({"commit_sha": "ef" * 20}, {"commit_sha": SHA, "environment": "production"}, {}):
            with pytest.raises(Conflict, match="does not cover"):
                approved_for(asked.number, facts)
        with pytest.raises(Conflict, match="Approved was"):
            record_outcome(actor=tenant.system(), approval=asked.number, receipt={"merged_sha": "ef" * 20})
        with pytest.raises(Conflict):
            record_outcome(actor=tenant.system(), approval=asked.number, receipt={})
        deployed = ask(tenant, kind="deployment", title="Deploy the shop")
        answer(tenant.actor("devops"), deployed)
        for receipt in (
            {"deployed_sha": "ef" * 20, "healthy": True},
            {"deployed_sha": SHA, "healthy": False},
            {"deployed_sha": SHA},
        ):
            with pytest.raises(Conflict, match=r"Approved was|not healthy"):
                record_outcome(actor=tenant.system(), approval=deployed.number, receipt=receipt)
        receipt = {"deployed_sha": SHA, "healthy": True}
        assert record_outcome(actor=tenant.system(), approval=deployed.number, receipt=receipt).state == "executed"


def test_what_was_asked_cannot_be_changed_in_the_database(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        ask(tenant)
        for change in ("binding = '{}'", "quorum = 0", "excluded = '{}'", "expires_at = now() + interval '9 days'"):
            with pytest.raises(DatabaseError, match="cannot be changed"), connection.cursor() as cursor:
                cursor.execute(f"UPDATE governance_approval SET {change}")
        with pytest.raises(DatabaseError, match="approval_state_known"), connection.cursor() as cursor:
            cursor.execute("UPDATE governance_approval SET state = 'blessed'")


def test_nothing_is_answered_or_executed_twice(tenant: TestTenant) -> None:
    po, other = tenant.actor("product_owner"), tenant.actor("product_owner", name="Other")
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
        with pytest.raises(Conflict):
            record_outcome(actor=tenant.system(), approval=asked.number, receipt={"merged_sha": SHA})
        answer(po, asked)
        for actor in (po, other):
            with pytest.raises(Conflict, match="already"):
                answer(actor, asked)
        record_outcome(actor=tenant.system(), approval=asked.number, receipt={"merged_sha": SHA})
        attempts: list[Callable[[], object]] = [
            lambda: record_outcome(actor=tenant.system(), approval=asked.number, receipt={"merged_sha": SHA}),
            lambda: answer(other, asked),
            lambda: approved_for(asked.number, {"commit_sha": SHA}),
        ]
        for attempt in attempts:
            with pytest.raises(Conflict, match=r"executed already|is executed"):
                attempt()
        with pytest.raises(Denied):
            record_outcome(actor=po, approval=asked.number, receipt={"merged_sha": SHA})


def test_a_quorum_counts_distinct_people(tenant: TestTenant) -> None:
    first, second = tenant.actor("product_owner"), tenant.actor("product_owner", name="Second")
    with tenant_scope(tenant.schema):
        asked = ask(tenant, risk="high")
        assert asked.quorum == 2
        assert answer(first, asked).state == "pending"
        with pytest.raises(Conflict, match="answered this already"):
            answer(first, asked)
        assert answer(second, asked).state == "approved"


def test_an_expired_question_is_a_no(tenant: TestTenant) -> None:
    po = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        asked, fresh = ask(tenant), ask(tenant, sha="ef" * 20)
        overdue(asked)
        with pytest.raises(Conflict, match="expired"):
            answer(po, asked)
        assert expire_due(actor=tenant.system()) == 1
        assert approval(po, asked.number).state == "expired"
        assert approval(po, fresh.number).state == "pending"
        with pytest.raises(Conflict, match="expired"):
            answer(po, asked)


def test_voiding_takes_back_what_waits_and_what_was_given(tenant: TestTenant) -> None:
    po = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        given, waiting, kept = ask(tenant), ask(tenant, sha="ef" * 20), ask(tenant, sha="01" * 20)
        answer(po, given)
        count = void_approvals(
            actor=tenant.system(), subject="task:SHOP-1.1", reason="the base moved", keep_hash=kept.binding_hash
        )
        assert count == 2
        for view in (given, waiting):
            assert approval(po, view.number).state == "void"
            with pytest.raises(Conflict):
                record_outcome(actor=tenant.system(), approval=view.number, receipt={"merged_sha": SHA})
        latest = latest_approval("task:SHOP-1.1")
        assert latest is not None
        assert (latest.number, latest.state) == (kept.number, "pending")


def test_approved_and_not_executed_alarms_once(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
        answer(tenant.actor("product_owner"), asked)
        assert alarm_unexecuted(actor=tenant.system()) == 0
        with connection.cursor() as cursor:
            cursor.execute("UPDATE governance_approval SET decided_at = now() - interval '1 hour'")
        assert alarm_unexecuted(actor=tenant.system()) == 1
        assert alarm_unexecuted(actor=tenant.system()) == 0


def test_another_tenants_approval_does_not_exist(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
    stranger = other_tenant.actor("product_owner")
    with tenant_scope(other_tenant.schema):
        attempts: list[Callable[[], object]] = [
            lambda: answer(stranger, asked),
            lambda: approval(stranger, asked.number),
            lambda: approved_for(asked.number, {"commit_sha": SHA}),
        ]
        for attempt in attempts:
            with pytest.raises(NotFound):
                attempt()
    with tenant_scope(tenant.schema), pytest.raises(RuntimeError, match="cannot act"):
        answer(stranger, asked)


def test_a_client_sees_its_own_clients_approvals_only(tenant: TestTenant) -> None:
    client = tenant.actor("client")
    bound = Actor(**{**{f: getattr(client, f) for f in client.__slots__}, "client": "acme"})
    with tenant_scope(tenant.schema):
        ask(tenant)
        own = ask(tenant, sha="ef" * 20, client="acme")
        ask(tenant, sha="01" * 20, client="globex")
        assert [view.number for view in approvals_visible_to(bound)] == [own.number]
        assert approvals_visible_to(client) == []
        assert len(approvals_visible_to(tenant.actor("viewer"))) == 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "wish"}, "kind"),
        ({"risk": "huge"}, "risk"),
        ({"title": " "}, "title"),
        ({"binding": {"usd": 0.1}}, "binding"),
        ({"eligible_roles": []}, "eligible_roles"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(resident: TestTenant, change: dict[str, Any], field: str) -> None:
    question = {
        "kind": "merge",
        "subject": "task:SHOP-1.1",
        "title": "Merge",
        "binding": {"commit_sha": SHA},
        "risk": "low",
        **change,
    }
    with tenant_scope(resident.schema), pytest.raises(Invalid) as refused:
        request_approval(actor=resident.system(), **question)
    assert field in refused.value.fields
