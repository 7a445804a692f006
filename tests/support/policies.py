"""Changing a test tenant's policy the way people do: one writes it, others approve it, the platform puts it into force."""

from typing import TYPE_CHECKING

from governance.actions.approvals import decide_approval
from governance.actions.outcomes import record_outcome
from governance.actions.policy import activate_draft
from governance.actions.policy_drafts import draft_policy, submit_policy_draft
from governance.selectors import active_policy

if TYPE_CHECKING:
    from tests.support.tenants import TestTenant


def put_policy(tenant: "TestTenant", text: str) -> int:
    """Put `text` into force in the tenant whose scope is open and return its version; nothing where it is already."""
    active = active_policy()
    if active.text == text:
        return active.version
    voters = [tenant.actor("product_owner"), tenant.actor("admin")]
    author = tenant.actor("architect")
    draft = draft_policy(actor=author, text=text, reason="What this test is about.")
    asked = submit_policy_draft(actor=author, draft=draft, digest=draft.digest)
    for voter in voters[: asked.quorum]:
        decide_approval(actor=voter, approval=asked.number, decision="approve", binding_hash=asked.binding_hash)
    system = tenant.system("policy")
    draft = activate_draft(actor=system, draft=draft, approval=asked.number)
    version = draft.activated_as
    assert version is not None
    receipt = {"policy_version": version, "text_digest": draft.digest}
    record_outcome(actor=system, approval=asked.number, receipt=receipt)
    return version
