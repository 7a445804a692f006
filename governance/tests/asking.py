"""Asking for a merge and answering, as the approval tests do."""

import os
from typing import Any

import psycopg

from governance.actions.approvals import decide_approval, request_approval
from governance.views import ApprovalView
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import current_tenant
from tests.support.tenants import TestTenant

SHA = "ab" * 20
FEEDBACK = "The refund paragraph is missing."


def ask(tenant: TestTenant, *, sha: str = SHA, risk: str = "low", **options: Any) -> ApprovalView:
    binding = {"commit_sha": sha, "diff_hash": "cd" * 32, "cost_ceiling_usd": "0.50"}
    question = {"binding": binding, "kind": "merge", "subject": "task:SHOP-1.1", "title": "Merge the returns FAQ"}
    return request_approval(actor=tenant.system("router"), risk=risk, **{**question, **options})


def answer(actor: Actor, asked: ApprovalView, decision: str = "approve", **options: Any) -> ApprovalView:
    given = {"binding_hash": asked.binding_hash, "feedback": FEEDBACK if decision != "approve" else "", **options}
    return decide_approval(actor=actor, approval=asked.number, decision=decision, **given)


def overdue(asked: ApprovalView) -> None:
    """Make its time be over, past the trigger that keeps what was asked: only the owner's login can."""
    schema = current_tenant()
    with psycopg.connect(os.environ["DATABASE_ADMIN_URL"]) as owner:
        owner.execute(f"ALTER TABLE {schema}.governance_approval DISABLE TRIGGER asked_stays")
        owner.execute(
            f"UPDATE {schema}.governance_approval SET expires_at = now() - interval '1 second' WHERE id = %s",
            [asked.number],
        )
        owner.execute(f"ALTER TABLE {schema}.governance_approval ENABLE TRIGGER asked_stays")
