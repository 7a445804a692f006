"""Two changes that are opened at the same moment: each has a number of its own, and a run that met another one goes on."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from governance.tests.test_late_counters import held
from gpu_workers.actions.changes import Proposal, open_change
from gpu_workers.actions.hand_ins import hand_over
from gpu_workers.models import ChangeRequest, HandIn, Run
from gpu_workers.models.run import RunState
from gpu_workers.runs.engine import execute
from guildhall.kernel.actor import system_actor
from guildhall.kernel.tenancy import tenant_scope
from tests.story.test_engine_faults import well
from tests.support.busy import queue_many
from tests.support.locks import waits_for
from tests.support.processes import until
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model
from workflows.models import Story, Task

pytestmark = pytest.mark.integration
PROPOSED = Proposal("guildhall/x", "1" * 40, "2" * 40, "3" * 64, [], 1, 0)
OTHERS = """
INSERT INTO {schema}.gpu_workers_changerequest (number, task, story, title, repository, branch, base_sha, head_sha, diff_hash,
    files, added, removed, author, state, merged_sha, reverted_sha)
SELECT 99, reference, 'story:x', 'Another', 'till', 'another', repeat('1', 40), repeat('2', 40), repeat('3', 64),
    '[]', 0, 0, 'person:1', 'open', '', '' FROM {schema}.workflows_task WHERE reference = %s
"""


def test_each_of_two_changes_has_its_number_and_a_run_outlives_a_clash(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    numbers = queue_many(world, 3)
    _numbers(world, numbers[0])
    _clash(world, numbers[2])


def _in_scope(schema: str, act: Any) -> Any:
    with closing(connection), tenant_scope(schema):
        return act()


def _numbers(world: World, number: int) -> None:
    """A run and a person at once, both past the place where the number is read."""
    schema, ada = world.tenant.schema, world.tenant.actor("developer", name="ada")
    with tenant_scope(schema):
        first, second = Task.objects.order_by("number")[:2]
        claim = {"holder": ada.ref, "implementer": ada.ref, "claim_token": 7}
        Task.objects.filter(pk=second.pk).update(state="implementing", lease_until=Now() + settings.RUN_LEASE, **claim)
        story = Story.objects.get(pk=second.story_id)
        made = HandIn.objects.create(
            task=second.reference, story=story.ref, person=ada.ref, claim_token=7, fence=1, digest="x", title="Ada's"
        )
        Run.objects.filter(number=number).update(state=RunState.RUNNING, fence=1)
        run = Run.objects.select_related("agent").get(number=number)
        task, actor = first.reference, run.agent.actor()
    acts = [
        partial(
            open_change, actor=actor, run=run, fence=1, step="propose", task=task, title="Mason's", proposal=PROPOSED
        ),
        partial(
            hand_over, actor=system_actor("hand-ins", schema), story=story, hand_in=made, fence=1, proposal=PROPOSED
        ),
    ]
    lock = f'LOCK TABLE "{schema}".gpu_workers_changerequest IN SHARE MODE'
    with ThreadPoolExecutor(2) as pool, held(lock) as waiting:
        begun = [pool.submit(_in_scope, schema, act) for act in acts]
        until(lambda: waiting(2) or any(one.done() for one in begun), what="both at a lock")
    opened, handed_over = (one.result(timeout=30) for one in begun)
    assert sorted([opened["change"], handed_over.number]) == [1, 2]


def _clash(world: World, number: int) -> None:
    """Somebody else opens a change for the run's task, and has not said so when the run looks."""
    schema, login = world.tenant.schema, os.environ["DATABASE_ADMIN_URL"]
    with tenant_scope(schema):
        task = Run.objects.get(number=number).subject.partition(":")[2]
    with (
        scripted_model(well()),
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(login) as other,
    ):
        other.execute(OTHERS.format(schema=f'"{schema}"'), [task])
        running = pool.submit(_in_scope, schema, partial(execute, number))
        until(lambda: running.done() or waits_for(login, other), what="the run at its last step")
        other.commit()
        running.result(timeout=30)
        with tenant_scope(schema):
            run = Run.objects.get(number=number)
            assert (run.state, run.retry_at is not None) == (RunState.RUNNING, True), run.reason
            Run.objects.filter(number=number).update(retry_at=None)
            execute(number)
            run = Run.objects.select_related("agent").get(number=number)
            change = ChangeRequest.objects.get(task=task)
    assert run.state == RunState.SUCCEEDED, run.reason
    assert (change.number, change.author, change.head_sha) == (99, run.agent.ref, run.head_sha)
