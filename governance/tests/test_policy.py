"""A policy from its draft to being in force, and what people try on the way."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from governance.actions.approvals import decide_approval
from governance.actions.policy import activate_draft, found_policy
from governance.actions.policy_drafts import (
    draft_policy,
    edit_policy_draft,
    submit_policy_draft,
    withdraw_policy_draft,
)
from governance.models import Policy, PolicyDraft
from governance.selectors import active_policy, budgets, latest_approval
from governance.selectors.policy import diff_lines, find_draft, find_policy
from governance.tests.asking import ask as ask_for
from governance.views import ApprovalView
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid, NotFound, Stale
from guildhall.kernel.tenancy import tenant_scope
from tests.support.pump import settle
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration

DEFAULT = (Path(__file__).parents[1] / "policies" / "default.yaml").read_text()
WHY = "What this test is about."
TIGHTER = DEFAULT.replace("highest: 3", "highest: 2", 1)
KINDS_ASKED = ("merge", "deployment", "agent_action", "secret_access", "budget_override")
LOOSER = DEFAULT.replace("threshold: 0.70", "threshold: 0.60")


@pytest.fixture(scope="module")
def house(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    """One organisation with an admin, a product owner and an architect: who may write and who may approve."""
    tenant = make_tenant()
    for role in ("admin", "product_owner", "architect", "developer", "viewer", "client"):
        tenant.member(role)
    return tenant


@pytest.fixture
def inside(house: TestTenant) -> Iterator[TestTenant]:
    with tenant_scope(house.schema):
        yield house


def ask(tenant: TestTenant, text: str, role: str = "architect") -> tuple[PolicyDraft, ApprovalView]:
    author = tenant.actor(role)
    draft = draft_policy(actor=author, text=text, reason=WHY)
    return draft, submit_policy_draft(actor=author, draft=draft, digest=draft.digest)


def approve(actor: Actor, asked: ApprovalView) -> None:
    decide_approval(actor=actor, approval=asked.number, decision="approve", binding_hash=asked.binding_hash)


def state(draft: PolicyDraft) -> str:
    return str(PolicyDraft.objects.get(pk=draft.pk).state)


def test_a_draft_comes_into_force_by_somebody_elses_approval_and_leaves_a_receipt(inside: TestTenant) -> None:
    before = active_policy()
    text = TIGHTER.replace('{scope: task, window: total, usd: "0.50"}', '{scope: task, window: total, usd: "0.25"}')
    draft, asked = ask(inside, text.replace("\n", "\r\n"), "admin")
    assert (asked.risk, asked.quorum, asked.binding["text_digest"]) == ("medium", 1, draft.digest)
    assert draft.text == text, "line ends are kept plain, or every save through a browser would be another text"
    assert active_policy() == before
    with pytest.raises(Denied, match="asked for this yourself"):
        approve(inside.actor("admin"), asked)
    approve(inside.actor("product_owner"), asked)
    settle(inside.schema)
    done = latest_approval(draft.ref)
    assert done is not None
    assert done.state == "executed"
    assert done.outcome == {"policy_version": before.version + 1, "text_digest": draft.digest}
    now = active_policy()
    assert (now.version, now.text, state(draft)) == (before.version + 1, text, "activated")
    assert find_policy(inside.actor("viewer"), before.version).text == before.text
    assert [str(limit.limit) for limit in budgets() if limit.scope_kind == "task"] in (["0.2500000000"], [])
    with pytest.raises(Conflict):
        approve(inside.actor("product_owner"), asked)
    with pytest.raises(Conflict):
        activate_draft(actor=inside.system("policy"), draft=draft, approval=asked.number)
    # Back to the old one: its text is proposed again, and that is a change like any other.
    back, again = ask(inside, before.text)
    assert again.risk == "high"
    assert again.quorum == 2
    approve(inside.actor("admin"), again)
    settle(inside.schema)
    assert active_policy().version == now.version, "one of two is not enough"
    approve(inside.actor("product_owner"), again)
    settle(inside.schema)
    assert active_policy().text == before.text
    assert state(back) == "activated"


def test_nobody_puts_a_policy_into_force_alone(inside: TestTenant) -> None:
    admin, active = inside.actor("admin"), active_policy()
    draft = draft_policy(actor=admin, text=TIGHTER, reason=WHY)
    with pytest.raises(Denied):
        activate_draft(actor=admin, draft=draft, approval=1)
    with pytest.raises(Denied):
        found_policy(actor=admin, text=TIGHTER)
    with pytest.raises(Conflict):
        found_policy(actor=inside.system(), text=TIGHTER)
    asked = submit_policy_draft(actor=admin, draft=draft, digest=draft.digest)
    for approval in (asked.number, asked.number - 1, 10**6):
        with pytest.raises((Conflict, NotFound)):
            activate_draft(actor=inside.system("policy"), draft=draft, approval=approval)
    for role in ("viewer", "client", "developer"):
        with pytest.raises(Denied):
            draft_policy(actor=inside.actor(role), text=TIGHTER, reason=WHY)
        with pytest.raises(Denied):
            approve(inside.actor(role), asked)
    with pytest.raises(Denied):
        find_draft(inside.actor("client"), draft.pk)
    with pytest.raises(Denied):
        draft_policy(actor=inside.agent("architect", "mason"), text=TIGHTER, reason=WHY)
    withdraw_policy_draft(actor=admin, draft=draft)
    settle(inside.schema)
    voided = latest_approval(draft.ref)
    assert voided is not None
    assert voided.state == "void"
    assert active_policy() == active


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE governance_policy SET text = text || ' ' WHERE active",
        "UPDATE governance_policy SET document = '{}'",
        "DELETE FROM governance_policy",
        "INSERT INTO governance_policy (version, text, document, digest, active, made_by) "
        "SELECT version + 1, text, document, digest, false, made_by FROM governance_policy ORDER BY version DESC LIMIT 1;"
        "UPDATE governance_policy SET active = false; UPDATE governance_policy SET active = true "
        "WHERE version = (SELECT max(version) FROM governance_policy)",
    ],
    ids=["text", "document", "deleted", "slipped in"],
)
def test_the_database_keeps_versions_and_lets_none_in_without_an_approval(inside: TestTenant, attack: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attack)
    assert Policy.objects.filter(active=True).count() == 1


def test_what_changed_since_it_was_asked_is_not_approved(inside: TestTenant) -> None:
    author, active = inside.actor("architect"), active_policy()
    draft, asked = ask(inside, TIGHTER)
    with pytest.raises(Stale):
        edit_policy_draft(actor=author, draft=draft, text=LOOSER, reason=WHY, revision=draft.revision + 1)
    # The product owner writes a part of it, and so has no say in it any more.
    edit_policy_draft(actor=inside.actor("product_owner"), draft=draft, text=LOOSER, reason=WHY, revision=1)
    with pytest.raises(Conflict, match="changed since"):
        approve(inside.actor("admin"), asked)
    settle(inside.schema)
    voided = latest_approval(draft.ref)
    assert voided is not None
    assert voided.state == "void"
    draft.refresh_from_db()
    with pytest.raises(Conflict, match="look once more"):
        submit_policy_draft(actor=author, draft=draft, digest=asked.binding["text_digest"])
    with pytest.raises(Conflict, match="needs 2 people"):
        submit_policy_draft(actor=author, draft=draft, digest=draft.digest)
    assert active_policy() == active


def test_of_two_changes_of_one_version_only_one_comes_into_force(inside: TestTenant) -> None:
    active = active_policy()
    first, one = ask(inside, TIGHTER)
    second, other = ask(inside, DEFAULT.replace("steps: 150", "steps: 50"))
    approve(inside.actor("admin"), one)
    approve(inside.actor("product_owner"), other)
    start, won, lost = threading.Barrier(2), [], []

    def put(draft: PolicyDraft, approval: int) -> None:
        with tenant_scope(inside.schema):
            start.wait()
            try:
                won.append(activate_draft(actor=inside.system("policy"), draft=draft, approval=approval).pk)
            except Conflict as refusal:
                lost.append(refusal.detail)

    threads = [threading.Thread(target=put, args=pair) for pair in ((first, one.number), (second, other.number))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len(lost) == 1
    settle(inside.schema)
    assert active_policy().version == active.version + 1
    assert {state(first), state(second)} == {"activated", "draft"}
    loser = first if state(first) == "draft" else second
    voided = latest_approval(loser.ref)
    assert voided is not None
    assert voided.state == "void"
    loser.refresh_from_db()
    with pytest.raises(Conflict, match="was written on version"):
        submit_policy_draft(actor=inside.actor("architect"), draft=loser, digest=loser.digest)
    _, back = ask(inside, active.text)
    for role in ("admin", "product_owner"):
        approve(inside.actor(role), back)
    settle(inside.schema)


@pytest.mark.parametrize(
    ("find", "put", "said"),
    [
        ("policy_change: [admin, product_owner]", "policy_change: [product_owner]", "away from admins"),
        ("    policy_change: [admin, product_owner]\n", "", "names no role"),
        ("medium: 1, high: 2", "medium: 5, high: 5", "could not be changed back"),
        ("policy_change: [admin, product_owner]", "policy_change: [admin]", "could not be changed back"),
    ],
)
def test_a_policy_that_would_lock_everybody_out_is_refused(inside: TestTenant, find: str, put: str, said: str) -> None:
    author = inside.actor("architect")
    draft = draft_policy(actor=author, text=active_policy().text.replace(find, put), reason=WHY)
    with pytest.raises(Conflict, match=said):
        submit_policy_draft(actor=author, draft=draft, digest=draft.digest)
    assert state(draft) == "draft"


def test_approvers_of_environments_keep_nobody_from_changing_the_policy_back(inside: TestTenant) -> None:
    before = active_policy()
    more = before.text.replace("  approvers: []", "  approvers:\n    - {count: 5}")
    for text in (more, before.text):
        _, asked = ask(inside, text)
        for role in ("admin", "product_owner")[: asked.quorum]:
            approve(inside.actor(role), asked)
        settle(inside.schema)
        assert active_policy().text == text, f"{asked.quorum} people were wanted"
        if text == more:
            needed = {kind: question(inside, kind, risk="low").quorum for kind in KINDS_ASKED}
            assert needed == {"merge": 5, "deployment": 5, "agent_action": 1, "secret_access": 1, "budget_override": 1}


def question(tenant: TestTenant, kind: str, **options: str) -> ApprovalView:
    binding = {"environment": "shop:main" if kind in ("merge", "deployment") else "workspace", "of": kind}
    return ask_for(tenant, binding=binding, kind=kind, subject=f"test:{kind}", title="Do it", **options)


def test_a_draft_is_a_policy_says_why_and_is_the_tenants_own(
    inside: TestTenant, make_tenant: Callable[..., TestTenant]
) -> None:
    author = inside.actor("architect")
    with pytest.raises(Invalid) as wrong:
        draft_policy(actor=author, text=DEFAULT.replace("highest: 3", "highest: 4"), reason="no")
    assert wrong.value.fields["text"][0].startswith("line ")
    assert "reason" in wrong.value.fields
    same = draft_policy(actor=author, text=active_policy().text, reason=WHY)
    with pytest.raises(Conflict, match="nothing to approve"):
        submit_policy_draft(actor=author, draft=same, digest=same.digest)
    other = make_tenant()
    with tenant_scope(other.schema), pytest.raises(NotFound):
        find_draft(other.actor("admin"), same.pk)


def test_a_diff_names_the_lines_of_both_texts() -> None:
    lines = diff_lines("a\nb\nc\n", "a\nB\nc\nd\n")
    assert [(line.mark, line.text, line.before, line.after) for line in lines[1:]] == [
        (" ", "a", 1, 1),
        ("-", "b", 2, None),
        ("+", "B", None, 2),
        (" ", "c", 3, 3),
        ("+", "d", None, 4),
        (" ", "", 4, 5),
    ]
    assert diff_lines("a\n", "a\n") == []
