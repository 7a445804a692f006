"""A planner's agent makes tasks of what it handed in itself, not of what somebody made of it since."""

from typing import Any

import pytest
from django.db import connection

from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.dispatch import dispatch
from gpu_workers.events import AgentWorkCompleted
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import RunKind
from gpu_workers.moving import move_on
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.actions import edit_proposal, record_proposal
from workflows.machines.story_table import READY_SCORE
from workflows.models import Story
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


def test_who_is_free_to_plan_is_asked_once_for_however_many_stories_nobody_may_plan(tenant: TestTenant) -> None:
    world = World(tenant)
    for number in range(4):
        story = world.write(title=f"Story {number}")
        world.move(story, "submit", world.developer)
        world.move(story, "approve_scope", world.po)
    asked: list[str] = []

    def note(execute: Any, statement: Any, parameters: Any, many: Any, context: Any) -> Any:
        asked.append(str(statement))
        return execute(statement, parameters, many, context)

    with tenant_scope(tenant.schema):
        Agent.objects.filter(role="planner").update(autonomy_cap="L0")
        assert Story.objects.filter(state="ready_for_planning", dor_score__gte=READY_SCORE).count() == 4
        with connection.execute_wrapper(note):
            dispatch()
        assert not Run.objects.exists(), "not at L0"
        Agent.objects.filter(role="planner").update(autonomy_cap="L3")
    assert sum('AS "busy"' in one for one in asked) == 1
    with tenant_scope(tenant.schema):
        dispatch()
        assert Run.objects.filter(kind=RunKind.PLAN).count() == 4
