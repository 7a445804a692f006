"""How right confidence was is what people decided: about commits when they are merged, about calls when they are asked."""

import json
from decimal import Decimal

import pytest

from governance.actions.confidence import assess_effect
from governance.actions.outcomes import expire_due
from governance.confidence import Component
from governance.selectors.confidence import AssessmentView, assessment_of, calibration_of
from governance.tests.asking import answer, ask, overdue
from governance.tests.tools import kinds_recorded
from governance.views import ApprovalView
from guildhall.kernel.tenancy import tenant_scope
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration

RUN, TASK = "run:7", "task:SHOP-1.1"
SURE, HALF, UNSURE = (Decimal(share) for share in ("1", "0.8", "0.1"))


def weighed(tenant: TestTenant, key: str, share: Decimal, *, effect: str = "use_network") -> AssessmentView:
    """An effect whose components are all `share`; a change request is about the task, a call about the run."""
    return assess_effect(
        actor=tenant.agent("developer", "mason"),
        effect=effect,
        subject=RUN if effect == "use_network" else TASK,
        key=key,
        agent="agent:mason",
        run=RUN,
        components=dict.fromkeys(Component, share),
    )


def asked_for(tenant: TestTenant, step: str, *, head: str = "", kind: str = "agent_action") -> ApprovalView:
    arguments = {"head_sha": head} if head else {"url": "https://shop.example"}
    call = json.dumps({"tool": "open_change_request" if head else "http_request", "arguments": arguments})
    binding = {"run": 7, "step": step, "call": call, "arguments_hash": "ab" * 32}
    return ask(tenant, kind=kind, subject=RUN, title="Mason asks", binding=binding, requester="agent:mason")


def agreed(effect: str, subject: str, key: str) -> bool | None:
    found = assessment_of(effect=effect, subject=subject, key=key)
    assert found is not None
    return found.agreed


def test_what_people_decide_about_a_call_says_how_right_its_confidence_was(tenant: TestTenant) -> None:
    owner, admin = tenant.actor("product_owner"), tenant.actor("admin")
    long = "executor." + "9" * 90
    with tenant_scope(tenant.schema):
        for key, share in (("executor.1", UNSURE), ("executor.2", SURE), (long[:80], HALF), ("executor.4", HALF)):
            weighed(tenant, key, share)
        for head in ("a" * 40, "b" * 40):
            weighed(tenant, head, UNSURE, effect="open_change_request")
        weighed(tenant, "executor.5", SURE)
        answer(owner, asked_for(tenant, "executor.1"))
        answer(owner, asked_for(tenant, "executor.2"), "reject")
        answer(admin, asked_for(tenant, long, kind="secret_access"))
        answer(owner, asked_for(tenant, "finalizer.1", head="a" * 40))
        answer(owner, asked_for(tenant, "finalizer.2", head="b" * 40), "changes")
        overdue(asked_for(tenant, "executor.4"))
        expire_due(actor=tenant.system())
    for _ in range(2):  # whatever is told twice is learnt once
        relay()
        consume(tenant.schema)
    with tenant_scope(tenant.schema):
        assert agreed("use_network", RUN, "executor.1") is True
        assert agreed("use_network", RUN, "executor.2") is False
        assert agreed("use_network", RUN, long[:80]) is True
        assert agreed("use_network", RUN, "executor.4") is None, "nobody decided in time"
        assert agreed("use_network", RUN, "executor.5") is None, "another step of the run"
        assert agreed("open_change_request", TASK, "a" * 40) is None, "its merge will be the answer"
        assert agreed("open_change_request", TASK, "b" * 40) is False, "it will never come to a merge"
        report = calibration_of(owner)
    assert (report.number, report.halted, report.judged) == (7, 3, 4)
    low, *_, sure = report.bands
    assert (low.number, low.halted, low.judged, low.agreed) == (3, 3, 2, 1)
    assert (sure.number, sure.judged, sure.agreed) == (2, 1, 0)
    assert kinds_recorded(tenant).count("governance.confidence.judged") == 4
