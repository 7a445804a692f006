"""Each class of thing that G8 names leaves a row with who, what, before and after, why, operation, trace and address."""

from typing import Any

import pytest

from gateway.calls import ModelCall
from gateway.chat import Request
from gateway.completion import complete
from governance.actions.approvals import request_approval
from governance.selectors import is_held
from gpu_workers.actions.runs import StepResult, finish_step, take_run
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import Phase
from gpu_workers.runs.journal import Journal
from gpu_workers.tests.test_fences import queued
from guildhall.evidence.selectors import TrailFilter, search_trail
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.support.clients import program, tokens_of
from tests.support.tenants import TestTenant
from tests.support.world import scripted_model
from workflows.actions import create_project

pytestmark = pytest.mark.integration
WHY = "This is not what was asked for."
ADDRESS = "127.0.0.1"


def people_act(tenant: TestTenant) -> None:
    """A change with its reason, a denial, an approval that is refused, a sign-in, an export."""
    people = People(tenant)
    people.developer.post("stories/", {"project": "SHOP", "title": "Answer returns"}, status=201)
    people.developer.post("stories/SHOP-1/transitions/", {"name": "submit"})
    people.developer.post("stories/SHOP-1/transitions/", {"name": "approve_scope"}, status=403)
    people.product_owner.post("stories/SHOP-1/transitions/", {"name": "reject_scope", "feedback": WHY})
    with tenant_scope(tenant.schema):
        asked = request_approval(
            actor=tenant.agent("developer", "mason"), kind="merge", subject="task:SHOP-1.1", title="Merge it",
            binding={"sha": "1" * 40}, risk="low",
        )  # fmt: skip
    answer = {"decision": "reject", "binding_hash": asked.binding_hash, "feedback": WHY}
    people.product_owner.post(f"approvals/{asked.number}/decision/", answer)
    tokens_of(tenant, tenant.member("qa"))
    export: Any = people.product_owner.client.get("/api/v1/audit/export/")
    assert b"".join(export.streaming_content)


def an_agent_acts(tenant: TestTenant) -> None:
    """A tool call and a model call of a run."""
    actor = tenant.agent("developer", "mason")
    with tenant_scope(tenant.schema), scripted_model([{"reply": {"text": "Read the code."}}]):
        assert Agent.objects.filter(name="mason").exists()
        run: Run = take_run(actor=actor, run=queued(tenant), worker="first")
        Journal(run, actor)._begin("read", "tool", Phase.EXECUTOR, "read_file", {"path": "a.py"})
        finish_step(actor=actor, run=run, fence=run.fence, key="read", result=StepResult({"text": "x"}))
        question = Request([{"role": "user", "content": "What first?"}], max_tokens=50)
        complete(actor=actor, model_call=ModelCall(route="code", key="plan", owner=run.ref, request=question))


TABLE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("change", {"kind": "planning.story.transitioned"}, {"why": WHY, "states": ("po_review", "draft")}),
    ("denial", {"kind": "platform.action.denied"}, {"why": "product owner", "outcome": "denied"}),
    ("approval", {"kind": "governance.approval.decided"}, {"why": WHY, "states": ("pending", "rejected")}),
    ("sign-in", {"kind": "identity.signed_in"}, {}),
    ("export", {"kind": "evidence.audit.exported"}, {}),
    ("API key", {"kind": "identity.api_key.created"}, {"own": True}),
    ("tool call", {"kind": "agent.run.step_finished"}, {"own": True}),
    ("model call", {"kind": "gateway.call.completed"}, {"own": True}),
]
"""The class, what finds its row, and what that row must say; `own` are acts of the platform itself, without an address."""


def test_every_class_of_thing_leaves_a_row_that_says_it_all(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        create_project(
            actor=tenant.actor("product_owner"), key="SHOP", name="Shop", repository="shop", ci_command="true"
        )
    people_act(tenant)
    an_agent_acts(tenant)
    for what, wanted, says in TABLE:
        with tenant_scope(tenant.schema):
            rows = search_trail(TrailFilter(**wanted), limit=1)
        assert rows, what
        (row,) = rows
        said = [row["actor"]["ref"], row["actor"]["name"], row["sentence"], row["subject"], row["action"]]
        assert all(said), what
        assert (len(row["operation_id"]), len(row["trace_id"])) == (36, 32), what
        assert row["outcome"] == says.get("outcome", "done"), what
        assert says.get("why", "") in row["reason"], what
        if states := says.get("states"):
            assert (row["before"]["state"], row["after"]["state"]) == states, what
        if not says.get("own"):
            assert row["address"] == ADDRESS, what
    with tenant_scope(tenant.schema):
        (change,) = search_trail(TrailFilter(kind="planning.story.transitioned"), limit=1)
    assert change["via"] == "api_key", "what was done with a key says so"


def test_one_operation_ties_a_request_to_what_it_wrote(tenant: TestTenant) -> None:
    tokens = tokens_of(tenant, tenant.member("admin"))
    answer = program(tenant, tokens["access"]).post(
        "/api/v1/holds/", {"kind": "agent", "target": "agent:mason", "reason": WHY}, content_type="application/json"
    )
    assert answer.status_code == 201, answer.content
    with tenant_scope(tenant.schema):
        rows = search_trail(TrailFilter(operation=answer["X-Request-Id"]))
    assert [row["kind"] for row in rows] == ["governance.hold.placed"]


def test_a_kill_switch_is_aimed_at_what_exists_by_the_names_that_people_see(tenant: TestTenant) -> None:
    send = program(tenant, tokens_of(tenant, tenant.member("admin"))["access"]).post
    for kind, target in (("agent", "nobody"), ("agent", "agent:"), ("run", "run:7"), ("run", "x"), ("strategy", "7")):
        body = {"kind": kind, "target": target, "reason": WHY}
        answer = send("/api/v1/holds/", body, content_type="application/json")
        assert answer.status_code == 422, f"{kind} {target}: nothing would have stopped"
        assert "such as" in answer.content.decode()
    body = {"kind": "agent", "target": "mason", "reason": WHY}
    assert send("/api/v1/holds/", body, content_type="application/json").status_code == 201
    with tenant_scope(tenant.schema):
        assert is_held(agent="agent:mason")
