"""Pages of governance in the states that a quiet organisation never shows: approvals that were decided, held back, expired
or void, runs that wait for them, a policy on its way into force, violations, comparisons that differ, a pause. The same rules
as for all pages; see `looking`."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from playwright.sync_api import Page

from governance.actions.confidence import assess_effect
from governance.actions.holds import place_hold
from governance.actions.limits import set_limit
from governance.actions.money import reserve, settle
from governance.actions.outcomes import alarm_unexecuted, expire_due, record_outcome, void_approvals
from governance.actions.outcomes_held import hold_back
from governance.actions.policy_drafts import draft_policy, submit_policy_draft
from governance.actions.reconciliation import Period, reconcile
from governance.actions.release import hold_environment, release_environment
from governance.actions.violations import Breach, judge_violation, report_violation
from governance.confidence import Component
from governance.models import Violation
from governance.pricing import UnitPrices, Usage
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import active_policy, differences, reconciliations
from governance.tests.asking import SHA, answer, ask, overdue
from gpu_workers.applying.plans import Applicable, Kept, Part
from gpu_workers.models import Agent, Run, RunStep
from gpu_workers.models.run import RunKind, RunState
from guildhall.evidence.selectors import recent
from guildhall.kernel.tenancy import tenant_scope
from tests.e2e.conftest import Visitor
from tests.e2e.looking import as_it_is, look, signed_in
from tests.e2e.site import aside
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of
from workflows.actions import create_epic, create_story, edit_story
from workflows.models import Story, Task

pytestmark = pytest.mark.e2e
PRICES = UnitPrices(Decimal("0.10"), Decimal("0.40"), Decimal("0.05"))
ADMIN = {
    "approvals-unexecuted": "/approvals/?show=unexecuted",
    "approval-held": "/approvals/1/",
    "approval-alarmed": "/approvals/2/",
    "approval-done": "/approvals/3/",
    "approval-void": "/approvals/4/",
    "approval-expired": "/approvals/5/",
    "approval-changes": "/approvals/6/",
    "approval-policy": "/approvals/7/",
    "approval-unsure": "/approvals/8/",
    "approval-plan": "/approvals/9/",
    "approval-question": "/approvals/10/",
    "run-plan": "/runs/1/",
    "run-question": "/runs/2/",
    "policies-asked": "/settings/policies/",
    "policy-asked": "/settings/policies/drafts/1/",
    "policy-draft": "/settings/policies/drafts/2/",
    "policy-draft-edit": "/settings/policies/drafts/2/edit/",
    "releases": "/settings/releases/",
    "release-lift": "/settings/releases/1/",
    "violations": "/violations/",
    "violations-all": "/violations/?show=all",
    "violation": "/violations/1/",
    "violation-judged": "/violations/2/",
    "differences": "/costs/reconciliations/?show=1",
    "costs-spent": "/costs/?period=all&by=agent",
    "ledger-lines": "/costs/ledger/",
    "limits-used": "/costs/limits/",
    "limit-removal": "/costs/limits/remove/?scope_kind=story&scope_id=SHOP-1&window=day",
    "audit-found": "/audit/?kind=governance.",
    "epic-dressed": "/epics/1/",
    "paused": "/pause/",
}


@pytest.fixture(scope="module")
def governed_world(make_tenant: Callable[..., TestTenant]) -> World:
    """With everything that these pages tell of."""

    def make() -> World:
        tenant = make_tenant()
        world = World.build(tenant, "SHOP", files_of(DEMO / "till"), "true")
        with tenant_scope(tenant.schema):
            _plan(world)
            _ask(tenant)
            _change_policy(tenant)
            _wait(tenant)
            _claim(tenant)
            _close(tenant)
            _break_rules(tenant)
            _spend(tenant)
            place_hold(actor=tenant.actor("admin"), kind="tenant", target="", reason="The prices look wrong.")
        return world

    return aside(make)


def _plan(world: World) -> None:
    epic = create_epic(actor=world.owner, project=world.project, title="Returns that answer themselves")
    for title in ("Answer the returns questions", "Round the sum by line"):
        made: Story = create_story(actor=world.owner, project=world.project, content={"title": title})
        edit_story(actor=world.owner, story=made, content={}, place={"epic": epic})


def _ask(tenant: TestTenant) -> None:
    """Approvals 1 to 6: held, alarmed, carried out, void, expired, sent back."""
    system, owner = tenant.system(), tenant.actor("product_owner")
    held, alarmed, done, void, late, changes = [
        ask(tenant, sha=f"{number:02x}" * 20, subject=f"task:SHOP-1.{number}", title=title, risk=risk)
        for number, (title, risk) in enumerate(
            [
                ("Merge the returns FAQ", "low"),
                ("Merge the rounding of sums", "low"),
                ("Merge the note on opening hours", "low"),
                ("Merge the list of suppliers and of what each of them sends back without being asked", "medium"),
                ("Merge the new checkout", "high"),
                ("Merge the delivery table", "low"),
            ],
            start=1,
        )
    ]
    for given in (held, alarmed, done):
        answer(owner, given)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE governance_approval SET decided_at = now() - interval '1 hour' WHERE id = %s", [alarmed.number]
        )
    alarm_unexecuted(actor=system)
    until = datetime.now(UTC) + timedelta(days=2)
    hold_back(actor=system, approval=held.number, reason="shop:main is frozen: nobody is here", until=until)
    record_outcome(actor=system, approval=done.number, receipt={"merged_sha": "03" * 20})
    void_approvals(actor=system, subject=void.subject, reason="the base moved")
    overdue(late)
    expire_due(actor=system)
    answer(owner, changes, "changes")


def _change_policy(tenant: TestTenant) -> None:
    """Draft 1 asked for (approval 7), draft 2 open; and a merge that an agent was not sure of (approval 8)."""
    text, author = active_policy().text, tenant.actor("architect")
    looser = text.replace("threshold: 0.70", "threshold: 0.50").replace("steps: 150", "steps: 200")
    draft = draft_policy(actor=author, text=looser, reason="Fewer questions about small changes.")
    submit_policy_draft(actor=author, draft=draft, digest=draft.digest)
    tighter = text.replace("steps: 150", "steps: 40")
    draft_policy(actor=tenant.actor("admin"), text=tighter, reason="Runs that need more go nowhere.")
    binding = {"commit_sha": SHA, "diff_hash": "cd" * 32, "cost_ceiling_usd": "0.50"}
    parts = {Component.CI: Decimal(1), Component.SUPPORT: Decimal("0.1"), Component.RISK: Decimal("0.5")}
    assess_effect(
        actor=tenant.system(),
        effect="merge",
        subject="task:SHOP-1.8",
        key=SHA,
        agent="agent:mason",
        run="",
        components=parts,
    )
    ask(tenant, subject="task:SHOP-1.8", title="Merge what Mason is not sure of", binding=binding)


def _wait(tenant: TestTenant) -> None:
    """Two runs that wait: for a plan to be allowed (approval 9), and for an answer (approval 10)."""
    agent, place = Agent.objects.get(name="rook"), f"{'shop-' * 8}staging at k8s-api.eu-central.example:6443"
    sql = f"CREATE INDEX {'late_pallets_' * 4} ON pallet ({', '.join(f'column_number_{n}' for n in range(20))});"
    plan = Applicable("database", (Part("warehouse.0042_fill_late_since_from_the_log", sql, {"framework": "django"}),))
    step = {
        "plan": "executor.1",
        "plan_hash": plan.digest,
        "place": place,
        "commit_sha": SHA,
        "cost_ceiling_usd": "0.50",
    }
    for number in (1, 2):
        about = {
            "subject": f"task:SHOP-1.{number}",
            "title": "Say when a pallet is late",
            "reason": "It waits for a person.",
        }
        Run.objects.create(
            number=number, kind=RunKind.WORK, agent=agent, state=RunState.WAITING, phase="executor", **about
        )
    kept = {"text": "One migration.", "plan": Kept(plan, SHA).as_data()}
    RunStep.objects.create(
        run=Run.objects.get(number=1), key="executor.1", phase="executor", kind="tool", response=kept
    )
    ask(
        tenant,
        kind="deployment",
        subject="run:1",
        title=f"Rook: apply migrations to {place}",
        binding=step,
        risk="high",
    )
    words = {
        "cost_ceiling_usd": "0.50",
        "call": "{}",
        "question": "Which of the two addresses is written to?\n\nThey differ.",
    }
    ask(tenant, kind="agent_action", subject="run:2", title="Rook asks: Which of the two addresses", binding=words)


def _claim(tenant: TestTenant) -> None:
    """A task that the admin has claimed, to hand in for."""
    admin, until = tenant.actor("admin").ref, datetime.now(UTC) + timedelta(hours=1)
    told = {"title": "Write the hours down", "role": "developer", "size": "S", "risk": "low", "state": "implementing"}
    claim = {"holder": admin, "implementer": admin, "lease_until": until, "claim_token": 1}
    story = Story.objects.get(reference="SHOP-1")
    Task.objects.create(story=story, number=9, reference="SHOP-1.9", rank=9, **told, **claim)


def _close(tenant: TestTenant) -> None:
    """A freeze that is on, one of everything, and a lock that was opened."""
    devops, until = tenant.actor("devops"), datetime.now(UTC) + timedelta(days=3)
    for kind, environment, reason, ends in (
        ("freeze", "shop:*", "The Christmas sale has begun; nothing moves under the tills.", until),
        ("lock", "*", "The provider moves house and nobody can roll back.", None),
        ("lock", "till:main", "The payment keys are being replaced.", None),
    ):
        hold_environment(actor=devops, kind=kind, environment=environment, reason=reason, until=ends)
    release_environment(actor=devops, hold=3, reason="The new keys work everywhere.")


def _break_rules(tenant: TestTenant) -> None:
    breaches = [
        (
            "command",
            "blocked",
            "Ran a command that the policy denies",
            r"\bgit\s+push\b",
            "git push --force origin main",
        ),
        ("pattern", "redacted", "Wrote something that looks like a card number", "card numbers", "paid with […] " * 60),
        ("loop", "stopped", "Did the same thing eight times", "", ""),
    ]
    for number, (kind, effect, what, rule, excerpt) in enumerate(breaches):
        report_violation(
            actor=tenant.system(),
            breach=Breach(
                kind, effect, what, "agent:mason", "run:1", f"call:{number}", rule, excerpt, "story:SHOP-1", number == 2
            ),
        )
    judge_violation(
        actor=tenant.actor("admin"),
        violation=Violation.objects.get(source="call:1"),
        verdict="false_positive",
        note="It is the number of an order.",
    )


def _spend(tenant: TestTenant) -> None:
    """Calls of three agents, one of which the provider counts otherwise, one that it does not know."""
    admin, counted = tenant.actor("admin"), dict[UUID, Usage]()
    began = datetime.now(UTC) - timedelta(minutes=1)
    set_limit(actor=admin, kind=ScopeKind.STORY, scope_id="SHOP-1", window=Window.DAY, amount=Decimal("0.60"))
    for number, (agent, cost) in enumerate([("mason", "0.2500000000"), ("wren", "0.0000012345"), ("quill", "0.17")]):
        made = reserve(
            actor=tenant.agent("developer", agent),
            key=f"run:{number + 1}:step:4:call:{number}",
            amount=Decimal("0.30"),
            scopes=[Scope(ScopeKind.STORY, "SHOP-1"), Scope(ScopeKind.RUN, str(number + 1))],
            owner=f"run:{number + 1}",
            model="qwen2.5-0.5b-instruct-q4_k_m",
            price_version="2026-11",
            ttl_s=60,
            provider="openrouter",
        )
        settle(
            actor=tenant.system(),
            reservation=made,
            usage=Usage(12_400, 820),
            cost=Decimal(cost),
            prices=PRICES,
        )
        if agent != "wren":
            counted[made.id] = Usage(12_400, 990)
    until = datetime.now(UTC) + timedelta(minutes=1)
    system = tenant.system()
    reconcile(actor=system, period=Period("openrouter", began, until), counted=counted, price_of=lambda _: PRICES)
    reconcile(
        actor=system,
        period=Period("local", began, until),
        counted={},
        price_of=lambda _: None,
        problem="The provider did not answer in time.",
    )


def _operation(tenant: TestTenant) -> str:
    with tenant_scope(tenant.schema):
        return str(recent(actor=tenant.actor("admin").ref)[0]["operation_id"])


def _adjustment(tenant: TestTenant) -> str:
    """Where the charge of a call is adjusted that was counted otherwise."""
    with tenant_scope(tenant.schema):
        number = min(row.id for row in reconciliations())
        return f"/costs/differences/{differences(number)[0].id}/"


def test_pages_of_governance_are_as_good_as_the_rest(governed_world: World, visitor: Visitor) -> None:
    page = signed_in(visitor, governed_world, "admin")
    operation, adjustment = aside(lambda: (_operation(governed_world.tenant), _adjustment(governed_world.tenant)))
    pages = {**ADMIN, "operation": f"/audit/operations/{operation}/", "adjustment": adjustment}
    found = [problem for name, path in pages.items() for problem in look(page, f"governed-{name}", path)]
    found += [problem for name in _came_back(page) for problem in as_it_is(page, f"governed-{name}-came-back")]
    visitor.complaints[:] = [text for text in visitor.complaints if "status of 4" not in text]
    assert found == []


def _came_back(page: Page) -> Iterator[str]:
    """Forms with errors beside their causes, one after the other."""
    for name, path, fields in (
        ("policy", "/settings/policies/new/", {"text": "format: 1\nruns:\n  steps: sixty\n", "reason": "Fewer steps."}),
        ("release", "/settings/releases/", {"environment": "shop:main", "reason": "Short."}),
        ("limit", "/costs/limits/", {"scope_id": "SHOP-999", "amount": "-1"}),
        ("connection", "/settings/projects/SHOP/connections/", {"namespace": "kube-system", "ca": "none"}),
        ("hand-in", "/tasks/SHOP-1.9/", {"patch": "--- nothing\n"}),
    ):
        page.goto(path)
        page.evaluate("document.querySelectorAll('main details').forEach(one => one.open = true)")
        for field, value in fields.items():
            page.fill(f"[name={field}]", value)
        page.evaluate("document.querySelectorAll('main form').forEach(form => form.noValidate = true)")
        with page.expect_navigation():
            page.locator(f"main form:has([name={next(iter(fields))}]) button:not([type=button])").last.click()
        page.locator("[role=alert], .is-invalid").first.wait_for()
        yield name
