"""Approvals against those who get at the rows: past the code as the application's login, past the triggers as a superuser."""

import os
from collections.abc import Callable

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from governance.actions.approvals import decide_approval
from governance.actions.outcomes import alarm_unexecuted, record_outcome, void_approvals
from governance.actions.outcomes_held import hold_back, retry_approval, take_back
from governance.binding import binding_hash
from governance.selectors import active_policy, approval, approved_for, pending_for
from governance.tests.asking import SHA, answer, ask
from guildhall.kernel.errors import Conflict, Denied, GuildhallError, Invalid, NotFound
from guildhall.kernel.tenancy import tenant_scope
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
WHY = "The person who signed was mistaken."
VOTE = (
    "INSERT INTO governance_approvalvote (approval_id, voter, voter_name, decision, feedback, binding_hash)"
    " VALUES (%s, %s, 'X', 'approve', '', %s)"
)


def as_superuser(tenant: TestTenant, *statements: str) -> None:
    """With psql, every trigger of the tenant's approvals and votes switched off."""
    with psycopg.connect(os.environ["DATABASE_ADMIN_URL"]) as owner:
        owner.execute(f"SET search_path TO {tenant.schema}")
        for table in ("governance_approval", "governance_approvalvote"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            owner.execute(statement)
        for table in ("governance_approval", "governance_approvalvote"):
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def refused(statement: str, *parameters: int | str) -> None:
    with pytest.raises(DatabaseError) as error, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
    assert isinstance(error.value.__cause__, psycopg.errors.InsufficientPrivilege), error.value


def test_the_applications_login_approves_nothing_without_votes(tenant: TestTenant) -> None:
    author = tenant.actor("product_owner", name="Author")
    with tenant_scope(tenant.schema):
        asked, given = ask(tenant, risk="high", excluded=[author.ref]), ask(tenant, sha="ef" * 20)
        for state in ("approved", "executed"):
            refused(
                "UPDATE governance_approval SET state = %s, outcome = '{}', executed_at = now() WHERE id = %s",
                state,
                asked.number,
            )
        refused(
            "INSERT INTO governance_approval (kind, subject, title, summary, binding, binding_hash, risk, client, requester,"
            " excluded, eligible_roles, quorum, state, state_reason, expires_at, held_reason)"
            " SELECT kind, subject || '9', title, summary, binding, binding_hash, risk, client, requester, excluded,"
            " eligible_roles, quorum, 'approved', '', expires_at, '' FROM governance_approval WHERE id = %s",
            asked.number,
        )
        refused("DELETE FROM governance_approval WHERE id = %s", asked.number)
        for voter in (asked.requester, author.ref, "agent:mason", "system:executor"):
            refused(VOTE, asked.number, voter, asked.binding_hash)
        refused(VOTE, asked.number, "person:somebody", given.binding_hash)
        answer(tenant.actor("product_owner"), given)
        refused(VOTE, given.number, "person:late", given.binding_hash)
        refused("UPDATE governance_approval SET state = 'pending' WHERE id = %s", given.number)
        record_outcome(actor=tenant.system(), approval=given.number, receipt={"merged_sha": "ef" * 20})
        for change in ("state = 'approved'", "outcome = '{}'", "state = 'void'"):
            refused(f"UPDATE governance_approval SET {change} WHERE id = %s", given.number)
        assert approval(author, asked.number).state == "pending"


def test_a_byte_that_a_superuser_changes_is_noticed(tenant: TestTenant) -> None:
    po = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        given, waiting, rewritten = ask(tenant), ask(tenant, sha="ef" * 20), ask(tenant, sha="01" * 20)
        answer(po, given)
        answer(po, rewritten)
        other = {**rewritten.binding, "commit_sha": "23" * 20}
    change = "UPDATE governance_approval SET binding = jsonb_set(binding, '{commit_sha}', '\"" + "23" * 20 + "\"')"
    as_superuser(
        tenant,
        f"{change} WHERE id IN ({given.number}, {waiting.number})",
        f"{change}, binding_hash = '{binding_hash(other)}' WHERE id = {rewritten.number}",
    )
    with tenant_scope(tenant.schema):
        attempts: list[Callable[[], object]] = [
            lambda: approved_for(given.number, {"commit_sha": "23" * 20}),
            lambda: answer(po, waiting),
            # Row and hash agree with each other and not with what the votes were for.
            lambda: approved_for(rewritten.number, {"commit_sha": "23" * 20}),
        ]
        for attempt in attempts:
            with pytest.raises(Conflict):
                attempt()


def test_a_key_of_the_requester_and_an_agents_owner_are_the_same_person(tenant: TestTenant) -> None:
    asker = tenant.actor("product_owner", name="Asker")
    with tenant_scope(tenant.schema):
        asked = ask(tenant, requester=asker.ref)
        for door in ("api_key", "token", "session"):
            with pytest.raises(Denied, match="asked for this yourself"):
                answer(asker.through(door), asked)
        assert pending_for(asker) == []


def test_a_question_under_another_policy_is_not_answered(tenant: TestTenant) -> None:
    po, second = tenant.actor("product_owner"), tenant.actor("product_owner", name="Second")
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
        text = active_policy().text
        rule = "approvers:\n    - {environments: ['shop:*'], count: 2}\n"
        put_policy(tenant, text.replace("approvers: []\n", rule))
        with pytest.raises(Conflict, match="policy has changed"):
            answer(po, asked)
        anew = ask(tenant)
        assert anew.number != asked.number
        assert answer(po, anew).state == "approved"
        there = ask(tenant, binding={"commit_sha": SHA, "environment": "shop:main"})
        assert there.quorum == 2, "the environment asks for more people than the risk"
        assert (answer(po, there).state, answer(second, there).state) == ("pending", "approved")


def test_what_is_approved_and_not_done_says_why_and_people_take_it_back(tenant: TestTenant) -> None:
    po, viewer, agent = tenant.actor("product_owner"), tenant.actor("viewer"), tenant.agent("developer", "mason")
    with tenant_scope(tenant.schema):
        asked = ask(tenant)
        for early in (retry_approval, take_back):
            with pytest.raises(Conflict):
                early(actor=po, approval=asked.number, reason=WHY)
        answer(po, asked)
        hold_back(actor=tenant.system(), approval=asked.number, reason="CI is not green.")
        hold_back(actor=tenant.system(), approval=asked.number, reason="CI is not green.")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE governance_approval SET decided_at = now() - interval '1 hour'")
        assert alarm_unexecuted(actor=tenant.system()) == 1
        late = approval(po, asked.number)
        assert (late.held_reason, late.alarmed_at is not None) == ("CI is not green.", True)
        for act in (retry_approval, take_back):
            for nobody in (viewer, agent, tenant.actor("client")):
                with pytest.raises(Denied):
                    act(actor=nobody, approval=asked.number, reason=WHY)
            with pytest.raises(Invalid):
                act(actor=po, approval=asked.number, reason="no")
            with pytest.raises(NotFound):
                act(actor=po, approval=9999, reason=WHY)
        again = retry_approval(actor=po, approval=asked.number, reason=WHY)
        assert (again.state, again.held_reason, again.alarmed_at) == ("approved", "", None)
        assert alarm_unexecuted(actor=tenant.system()) == 0, "its time begins anew"
        assert take_back(actor=po, approval=asked.number, reason=WHY).state == "void"
        for after in (retry_approval, take_back):
            with pytest.raises(GuildhallError):
                after(actor=po, approval=asked.number, reason=WHY)
        assert void_approvals(actor=tenant.system(), subject="task:SHOP-1.1", reason="over") == 0
        with pytest.raises(Conflict):
            decide_approval(actor=po, approval=asked.number, decision="approve", binding_hash=asked.binding_hash)
