"""The approvals' pages: what waits, what was decided and how, and what was approved and is not done."""

import pytest
from django.db import connection

from governance.actions.outcomes import alarm_unexecuted, expire_due, record_outcome
from governance.actions.outcomes_held import hold_back
from governance.actions.release import hold_environment
from governance.selectors import approval
from governance.tests.asking import SHA, answer, ask, overdue
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import RunKind, RunState
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import signed_in
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
WHY = "The person who signed was mistaken."


def test_every_end_of_an_approval_is_shown_and_people_act_on_what_is_not_done(tenant: TestTenant) -> None:
    po = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        late, half = ask(tenant), ask(tenant, sha="01" * 20, risk="high")
        undone, done = ask(tenant, sha="23" * 20), ask(tenant, sha="45" * 20)
        bound = {"commit_sha": "67" * 20, "environment": "shop:main", "cost_ceiling_usd": "0.5"}
        frozen, scope = ask(tenant, binding=bound), ask(tenant, kind="scope", binding={"text": "Returns in 30 days"})
        overdue(late)
        expire_due(actor=tenant.system())
        answer(tenant.actor("product_owner", name="Second"), half)
        for given in (undone, done):
            answer(po, given)
        record_outcome(actor=tenant.system(), approval=done.number, receipt={"merged_sha": "45" * 20})
        hold_back(actor=tenant.system(), approval=undone.number, reason="CI is not green on it.")
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE governance_approval SET decided_at = now() - interval '1 hour' WHERE state = 'approved'"
            )
        alarm_unexecuted(actor=tenant.system())
        hold_environment(actor=po, kind="freeze", environment="shop:*", reason="The sale has begun.")
    owner, viewer = (signed_in(tenant, tenant.member(role)) for role in ("product_owner", "viewer"))

    def page(number: int) -> str:
        return owner.get(f"/approvals/{number}/").content.decode()

    assert "nobody decided in time" in page(late.number)
    assert "1 of 2 needed have said yes" in page(half.number)
    assert "shop:main: freeze: The sale has begun." in page(frozen.number)
    assert "Approved, not executed</b>: CI is not green on it. The alarm was raised" in page(undone.number)
    assert f'merged as <span class="mono">{"45" * 6}' in page(done.number)
    assert 'value="take_back"' not in page(done.number)
    inbox = owner.get("/approvals/").content.decode()
    assert "1 approved, not executed" in inbox
    only = owner.get("/approvals/?show=waiting&kind=scope").content.decode()
    assert f'id="approval-{scope.number}"' in only
    assert f'id="approval-{frozen.number}"' not in only
    assert f'href="/approvals/{scope.number}/?show=waiting&amp;kind=scope"' in only, "what is filtered stays filtered"
    undone_list = owner.get("/approvals/?show=unexecuted").content.decode()
    assert f'id="approval-{undone.number}"' in undone_list
    assert f'id="approval-{done.number}"' not in undone_list

    at = f"/approvals/{undone.number}/"
    assert viewer.submit(at, {"act": "retry", "reason": WHY}).status_code == 403
    assert 'value="retry"' not in viewer.get(at).content.decode()
    assert owner.submit(at, {"act": "retry", "reason": "no"}).status_code == 422
    assert owner.submit(at, {"act": "retry", "reason": WHY}).status_code == 302
    assert "being carried out" in page(undone.number)
    assert owner.submit(at, {"act": "take_back", "reason": WHY}).status_code == 302
    assert WHY in page(undone.number)
    assert owner.submit(at, {"act": "take_back", "reason": WHY}).status_code == 409
    with tenant_scope(tenant.schema):
        assert approval(po, undone.number).state == "void"
        assert late.binding["commit_sha"] == SHA


def test_what_a_run_waits_for_is_on_its_page_in_words(tenant: TestTenant) -> None:
    """A plan is read where it is approved; a question stands there whole, once, and what it may cost has its sign."""
    step = {"step": "executor.2", "cost_ceiling_usd": "0.50", "login": "0123456789abcdef"}
    with tenant_scope(tenant.schema):
        agent = Agent.objects.get(name="mason")
        for number in (1, 2):
            subject = f"task:SHOP-1.{number}"
            Run.objects.create(number=number, kind=RunKind.WORK, subject=subject, agent=agent, state=RunState.WAITING)
        plan = ask(tenant, kind="deployment", subject="run:1", title="Mason: apply a plan to shop", binding=step)
        words = {**step, "question": "Which of the two addresses?", "call": "{}"}
        question = ask(tenant, kind="agent_action", subject="run:2", title="Mason asks: Which", binding=words)
    owner = signed_in(tenant, tenant.member("product_owner"))

    def page(path: str) -> str:
        return owner.get(path).content.decode()

    assert (
        f'href="/approvals/{plan.number}/">'
        in page("/runs/1/").partition('id="run-question"')[2].partition("</section>")[0]
    )
    assert "run-answer" not in page("/runs/1/")
    assert "run-answer" in page("/runs/2/")
    asked = page(f"/approvals/{question.number}/").partition('id="approval-detail"')[2]
    assert asked.count("Which of the two addresses?") == 1
    assert '<dt>Cost ceiling</dt><dd class="gh-hash">$0.50</dd>' in asked
    assert "<dt>Login’s mark</dt>" in asked
    others = signed_in(tenant, tenant.member("viewer")).get(f"/approvals/{question.number}/").content.decode()
    assert "Your roles do not decide this. It waits for a " in others, "roles are not told by their keys"
