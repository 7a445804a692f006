"""A planner's agent makes tasks of what it handed in itself, not of what somebody made of it since."""

import pytest

from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.events import AgentWorkCompleted
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import RunKind
from gpu_workers.moving import move_on
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.actions import edit_proposal, record_proposal
from workflows.planning import Derived, TaskDraft
from workflows.selectors.planned import database_now
from workflows.tests.world import World

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("rewritten", "state"), [(False, "planned"), (True, "ready_for_planning")])
def test_told_again_it_accepts_only_its_own_proposal(tenant: TestTenant, rewritten: bool, state: str) -> None:
    """As when its worker died between handing the proposal in and accepting it."""
    world, draft = World(tenant), TaskDraft("Write it", "developer")
    story = world.write()
    world.move(story, "submit", world.developer)
    world.move(story, "approve_scope", world.po)
    with tenant_scope(tenant.schema):
        at, planner = database_now(), Agent.objects.filter(role="planner")[0]
        new = NewRun(RunKind.PLAN, story.ref, story.ref, "Plan", "plan 1")
        run = queue_run(actor=tenant.system(), agent=planner, new=new)
        Run.objects.filter(pk=run.pk).update(outcome={"drafts": [draft.as_dict()], "attempts": 1})
        record_proposal(actor=planner.actor(), story=story, result=Derived((draft,), 1))
        if rewritten:
            edit_proposal(actor=world.architect, story=story, drafts=[draft, TaskDraft("Tell it", "data")])
        done = AgentWorkCompleted(
            subject=story.ref,
            run=run.number,
            run_kind=RunKind.PLAN,
            agent=planner.name,
            claim="plan 1",
            verdict="planned",
        )
        move_on(done, at)
        assert story.derivations.get().state == ("proposed" if rewritten else "accepted")
    assert world.state(story) == state
