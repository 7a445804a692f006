"""Agents that ask people in words: the run waits with its question, goes on with the answer, and nothing happens without it."""

from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now

from governance.actions.holds import lift_hold, place_hold
from governance.actions.outcomes import expire_due
from governance.policies.answers import LONGEST
from governance.selectors import approval, latest_approval, pending_for
from governance.tests.asking import answer, overdue
from governance.views import ApprovalView
from gpu_workers.actions.retries import retry_run
from gpu_workers.actions.runs import NewRun, cancel_run, queue_run
from gpu_workers.models import Agent, ChangeRequest, CIRun, Run
from gpu_workers.models.run import RunKind, RunState
from gpu_workers.runs.engine import execute
from guildhall.kernel.errors import Conflict, Denied, Invalid
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.scripts import JUDGE
from tests.story.test_engine_faults import NOTE, acting
from tests.support.busy import CLAIMED, queue_many
from tests.support.clients import signed_in
from tests.support.mortal import Mortal
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model
from workflows.models import Task

pytestmark = pytest.mark.integration
QUESTION = "Is VAT rounded on each line, or on the whole basket?"
ANSWER = "On each line, as the tax office wants it."
AGAIN = "Nobody was in the office; round each line."
ASK: dict[str, Any] = {"name": "ask_human", "arguments": {"question": QUESTION}}
DONE: dict[str, Any] = {"name": "finish", "arguments": {"summary": "The note is written"}}
VERDICT: dict[str, Any] = {"name": "give_verdict", "arguments": {"verdict": "approve", "feedback": "It says so now."}}


def script() -> list[Rule]:
    """One asks first of all, one asks and hears nothing, one has written a file when it asks; a judge asks as well."""
    told = f"answers: {ANSWER}"
    return [
        {"when": {"schema": "plan"}, "reply": {"text": {"steps": ["Write a note"]}}},
        {"when": {"contains": [JUDGE, told]}, "reply": {"tool_calls": [VERDICT]}},
        {"when": {"contains": [JUDGE]}, "reply": {"tool_calls": [ASK]}},
        acting("Busy: command 1", told, turns=1, reply={"tool_calls": [NOTE]}),
        acting("Busy: command 1", told, turns=2, reply={"tool_calls": [DONE]}),
        acting("Busy: command 3", turns=0, reply={"tool_calls": [NOTE]}),
        acting(AGAIN, turns=0, reply={"tool_calls": [NOTE]}),
        acting(AGAIN, turns=1, reply={"tool_calls": [DONE]}),
        acting(reply={"tool_calls": [ASK]}),
    ]


def told(tenant: TestTenant) -> None:
    relay()
    consume(tenant.schema)


def asked_by(tenant: TestTenant, number: int) -> tuple[Run, ApprovalView]:
    """A worker is at the run until it asks, and people have the question before them."""
    with tenant_scope(tenant.schema):
        execute(number)
        run = Run.objects.get(number=number)
        assert (run.state, run.lease_until, QUESTION in run.reason) == (RunState.WAITING, None, True), run.reason
    told(tenant)
    with tenant_scope(tenant.schema):
        found = latest_approval(run.ref)
    assert found is not None
    assert (found.kind, found.state, found.binding["question"]) == ("agent_action", "pending", QUESTION)
    return run, found


def refused_to_others(tenant: TestTenant, asked: ApprovalView) -> None:
    """Whoever may not answer is told so, as is who gives no answer; it waits all the same."""
    owner = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        for nobody in (tenant.actor("developer"), tenant.actor("client"), tenant.agent("developer", "mason")):
            with pytest.raises(Denied):
                answer(nobody, asked, feedback=ANSWER)
        for words in ("", "x" * (LONGEST + 1), f"Use the token ghp_{'a1B2c3D4e5' * 4}"[:50]):
            with pytest.raises(Invalid):
                answer(owner, asked, feedback=words)
        with pytest.raises(Invalid):
            answer(owner, asked, "changes")
        place_hold(actor=owner, kind="agent", target="agent:mason", reason="A look at what it does.")
        with pytest.raises(Denied, match="A look at what it does"):
            answer(owner, asked, feedback=ANSWER)
        lift_hold(actor=owner, kind="agent", target="agent:mason")
        assert asked.number in [one.number for one in pending_for(owner)]


def test_what_an_agent_asks_waits_for_people_and_their_answer_is_what_it_goes_on_with(
    tenant: TestTenant, tmp_path: Path
) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    first, unheard, written = queue_many(world, 3)
    mortal = Mortal(tmp_path / "deaths", lambda key: key if key == "executor.1.1" else "")
    with scripted_model(script()) as model:
        run, asked = asked_by(tenant, first)
        refused_to_others(tenant, asked)
        browser = signed_in(tenant, tenant.member("product_owner"))
        page = browser.get(f"/runs/{first}/").content.decode()
        assert (QUESTION in page, f'action="/approvals/{asked.number}/"' in page) == (True, True)
        form = {"binding_hash": asked.binding_hash, "decision": "approve", "feedback": ANSWER}
        assert browser.submit(f"/approvals/{asked.number}/", form).status_code == 302
        with tenant_scope(tenant.schema), pytest.raises(Conflict, match="already"):
            answer(tenant.actor("admin"), asked, feedback="On the whole basket.")
        told(tenant)
        calls = len(model.journal)
        while mortal.work_on(tenant.schema, first):
            with tenant_scope(tenant.schema):
                Run.objects.filter(number=first).update(lease_until=Now())
        with tenant_scope(tenant.schema):
            run.refresh_from_db()
            assert (run.state, run.changes.count()) == (RunState.SUCCEEDED, 1), run.reason
            heard = run.steps.get(key="executor.1.1").response or {}
            assert heard["text"].endswith(f"answers: {ANSWER}")
            assert approval(world.owner, asked.number).state == "executed"
        assert (len(mortal.boundaries()), len(model.journal) - calls) == (3, 2), (
            "what was asked before is not asked again"
        )
        a_judge_asks_too(world, run)
        nobody_answers(world, unheard)
        nobody_is_there_to_hear(world, written)


def a_judge_asks_too(world: World, of: Run) -> None:
    tenant = world.tenant
    with tenant_scope(tenant.schema):
        judge = Agent.objects.get(name="alder")
        Task.objects.filter(reference=of.subject[5:]).update(claim_token=2)
        new = NewRun(RunKind.REVIEW, of.subject, of.story, of.title, f"{of.subject}:2", repository=of.repository)
        number = queue_run(actor=tenant.system(), agent=judge, new=new).number
    run, asked = asked_by(tenant, number)
    with tenant_scope(tenant.schema):
        answer(world.owner, asked, feedback=ANSWER)
    told(tenant)
    with tenant_scope(tenant.schema):
        execute(number)
        run.refresh_from_db()
        assert (run.state, run.outcome["verdict"]) == (RunState.SUCCEEDED, "approved"), run.reason


def nobody_answers(world: World, number: int) -> None:
    """The question expires as any does; the run is escalated with it, and who has it tried again is heard."""
    tenant = world.tenant
    run, asked = asked_by(tenant, number)
    with tenant_scope(tenant.schema):
        overdue(asked)
        expire_due(actor=tenant.system("timekeeper"))
    told(tenant)
    with tenant_scope(tenant.schema):
        execute(number)
        run.refresh_from_db()
        assert (run.state, run.changes.count(), QUESTION in run.reason) == (RunState.ESCALATED, 0, True), run.reason
        retry_run(actor=world.owner, run=run, reason=AGAIN)
        new = NewRun(RunKind.WORK, run.subject, run.story, run.title, f"{run.subject}:2", repository=run.repository)
        again = queue_run(actor=tenant.system(), agent=Agent.objects.get(name="mason"), new=new)
        own = Task.objects.filter(reference=run.subject[5:])
        own.update(state="implementing", holder=run.agent.ref, claim_token=2, lease_until=Now() + CLAIMED)
        execute(again.number)
        again.refresh_from_db()
        assert again.state == RunState.SUCCEEDED, again.reason


def nobody_is_there_to_hear(world: World, number: int) -> None:
    """What was written until then is proposed to nobody; an answer to a run that was cancelled is refused, with why."""
    tenant = world.tenant
    run, asked = asked_by(tenant, number)
    with tenant_scope(tenant.schema):
        assert not ChangeRequest.objects.filter(run=run).exists()
        assert not CIRun.objects.filter(purpose__startswith=f"run:{number}:").exists()
        cancel_run(actor=world.owner, run=run, reason="The task is another one.")
        with pytest.raises(Denied, match="cancelled"):
            answer(world.owner, asked, feedback=ANSWER)
    told(tenant)
    with tenant_scope(tenant.schema), pytest.raises(Conflict, match="void already: Run"):
        answer(world.owner, asked, feedback=ANSWER)
