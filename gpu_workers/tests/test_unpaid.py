"""Commands and CI are charged when their run ends; what is gone already keeps the next one from beginning."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from governance.actions.limits import set_limit
from governance.scopes import ScopeKind, Window
from gpu_workers.actions.runs import NewRun, StepResult, cancel_run, queue_run, take_run
from gpu_workers.models import Agent, Incident, Proposal, Run, RunStep
from gpu_workers.models.proposal import ProposalKind
from gpu_workers.models.run import Phase, RunKind
from gpu_workers.runs.journal import Journal
from gpu_workers.runs.using import charge_used
from guildhall.kernel.errors import LimitExceeded
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
HOUR = timedelta(hours=1)


def begun(tenant: TestTenant, task: str) -> Journal:
    """A run that a worker has, about a task such as SHOP-1.1."""
    story = task.partition(".")[0]
    return taken(tenant, RunKind.WORK, f"task:{task}", f"story:{story}")


def taken(tenant: TestTenant, kind: RunKind, subject: str, story: str = "") -> Journal:
    new = NewRun(kind=kind, subject=subject, story=story, title="Do it", claim=f"{subject}:1")
    actor = tenant.agent("developer", "mason")
    run = queue_run(actor=tenant.system(), agent=Agent.objects.get(name="mason"), new=new)
    return Journal(take_run(actor=actor, run=run, worker="here"), actor)


def step(journal: Journal, key: str, kind: str = "ci") -> dict[str, Any]:
    about: dict[str, Any] = {"phase": Phase.CI_MONITOR, "title": kind, "request": {}}
    return journal.step(key, kind=kind, **about, do=lambda _: StepResult({"done": key}))


def limit(tenant: TestTenant, kind: ScopeKind, scope_id: str, usd: str, window: Window = Window.TOTAL) -> None:
    set_limit(actor=tenant.actor("admin"), kind=kind, scope_id=scope_id, window=window, amount=Decimal(usd))


def test_no_command_begins_where_a_limit_has_no_room_for_what_machines_took_already(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        mine, beside, other = (begun(tenant, task) for task in ("SHOP-1.1", "SHOP-1.2", "TILL-1.1"))
        for journal in (mine, beside, other):
            step(journal, "ci.0")
        limit(tenant, ScopeKind.STORY, "SHOP-1", "0.04")
        RunStep.objects.filter(run=mine.run).update(seconds=3000)
        for journal in (mine, beside, other):
            step(journal, "ci.1")
        # An hour at this price is 0.0432 dollars. Two thousand seconds of the hour are of the run beside.
        RunStep.objects.filter(run=beside.run, key="ci.0").update(seconds=600)
        for journal in (mine, beside):
            with pytest.raises(LimitExceeded, match="total limit of story SHOP-1") as refused:
                step(journal, "ci.2")
            assert Decimal(refused.value.extra["amount"]) > Decimal("0.0432") > Decimal(refused.value.extra["left"])
            assert step(journal, "note", "note")["done"] == "note", "only what keeps a machine busy"
            assert step(journal, "ci.0")["done"] == "ci.0", "what is done is known"
        step(other, "ci.2")
        assert not RunStep.objects.filter(run=mine.run, key="ci.2").exists()
        limit(tenant, ScopeKind.STORY, "SHOP-1", "0.1")
        step(mine, "ci.2")
        cancel_run(actor=tenant.actor("admin"), run=Run.objects.get(pk=mine.run.pk), reason="not needed any more")
        paid = charge_used(actor=tenant.system("cashier"), run=mine.run)
        limit(tenant, ScopeKind.STORY, "SHOP-1", str(paid + Decimal("0.008")))
        step(beside, "ci.2")
        limit(tenant, ScopeKind.STORY, "SHOP-1", str(paid + Decimal("0.007")))
        with pytest.raises(LimitExceeded):
            step(beside, "ci.3")


@pytest.mark.parametrize("kind", [ScopeKind.TENANT, ScopeKind.PROJECT, ScopeKind.TASK, ScopeKind.AGENT, ScopeKind.RUN])
def test_a_command_that_is_on_counts_for_every_limit_of_its_run(tenant: TestTenant, kind: ScopeKind) -> None:
    with tenant_scope(tenant.schema):
        mine = begun(tenant, "SHOP-1.1")
        Journal(mine.run, mine.actor)._begin("ci.0", "ci", Phase.CI_MONITOR, "CI", {})
        RunStep.objects.update(tried_at=F("tried_at") - HOUR)
        own = {
            ScopeKind.TENANT: "",
            ScopeKind.PROJECT: "SHOP",
            ScopeKind.TASK: "SHOP-1.1",
            ScopeKind.AGENT: "mason",
            ScopeKind.RUN: str(mine.run.number),
        }
        limit(tenant, kind, own[kind], "0.04", Window.DAY)
        with pytest.raises(LimitExceeded, match=f"day limit of {kind}"):
            step(mine, "ci.1")
        Run.objects.update(lease_until=Now() - HOUR)
        mine.run.refresh_from_db()
        step(Journal(mine.run, mine.actor), "ci.1")


def test_what_machines_took_for_incidents_and_proposals_counts_for_their_project_at_once(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        incident = Incident.objects.create(project="SHOP", title="It is down", parts=["till", "stock"])
        asked = Proposal.objects.create(project="SHOP", kind=ProposalKind.ORDER, asked_by="user:1", asked_by_name="Ada")
        mine = taken(tenant, RunKind.INCIDENT, incident.ref)
        beside = taken(tenant, RunKind.BACKLOG, asked.ref)
        other = begun(tenant, "TILL-1.1")
        for journal in (mine, beside, other):
            step(journal, "ci.0")
        limit(tenant, ScopeKind.PROJECT, "SHOP", "0.04")
        RunStep.objects.filter(run__in=[mine.run, beside.run]).update(seconds=2000)
        for journal in (mine, beside):
            with pytest.raises(LimitExceeded, match="total limit of project SHOP"):
                step(journal, "ci.1")
        step(other, "ci.1")
