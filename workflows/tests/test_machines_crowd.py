"""A crowd that tries anything on the real database: what holds after every step, and what the events say in the end."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from guildhall.evidence.tests.poking import seal
from guildhall.kernel.tenancy import tenant_scope
from tests.support.evidence import DeadLetter, OutboxEvent
from workflows.machines import STORY, TASK
from workflows.models import Story, Task
from workflows.rebuilding import compare
from workflows.tests.crowd import Crowd
from workflows.tests.world import World

# What it runs thousands of times, other tests of the room run once: that is counted there.
pytestmark = pytest.mark.integration
STEPS, SETTLED_EVERY = 2000, 100
AUTHORING = {"commit_code", "revise_code"}
JUDGING = {
    "approve_design": "reviewer",
    "reject_design": "reviewer",
    "approve_tests": "tester",
    "reject_tests": "tester",
}


def test_whatever_a_crowd_does_the_tables_stay_what_the_events_say(world: World, seed: int) -> None:
    crowd, schema = Crowd(world, seed), world.tenant.schema
    for number in range(STEPS):
        with tenant_scope(schema):
            crowd.step()
        if number % SETTLED_EVERY == 0:
            world.settle()
    world.settle()
    with tenant_scope(schema):
        check_everything(crowd)
    check_commands(schema, world)


def check_everything(crowd: Crowd) -> None:
    assert compare().differences == []
    assert list(DeadLetter.objects.values_list("consumer", "error")) == []
    tables = {
        (source, row.action, row.target) for m in (STORY, TASK) for row in m.transitions for source in row.sources
    }
    forced = {step for step in crowd.seen if step[1] in ("reopen", "reset", "carry_over", "drop")}
    assert crowd.seen - forced <= tables, "a step that no table has"
    assert set(Story.objects.values_list("state", flat=True)) <= set(STORY.states)
    check_parts()
    assert min(crowd.done, crowd.refused) > STEPS / 10, f"{crowd.done} done and {crowd.refused} refused: not a crowd"
    assert len(crowd.seen) > 20, f"the crowd got nowhere: {sorted(crowd.seen)}"


def check_parts() -> None:
    """By the events alone: nobody has two parts in one task, and what is done had all four."""
    parts: dict[str, dict[str, set[str]]] = {}
    for event in OutboxEvent.objects.filter(kind__startswith="workflow.task.").order_by("id"):
        told = event.payload
        mine = parts.setdefault(told["task"], {"author": set(), "reviewer": set(), "tester": set(), "approver": set()})
        action = told.get("action")
        if action in AUTHORING:
            mine["author"].add(told["actor"])
        elif action in JUDGING:
            mine[JUDGING[action]].add(told["actor"])
        elif event.kind == "workflow.task.approved":
            mine["approver"].add(told["approver"])
    for task, mine in parts.items():
        everybody = [ref for refs in mine.values() for ref in refs]
        assert len(everybody) == len(set(everybody)), f"{task}: {mine}"
    for reference in Task.objects.filter(state="done").values_list("reference", flat=True):
        assert all(parts[reference].values()), f"{reference} is done without {parts[reference]}"


def check_commands(schema: str, world: World) -> None:
    """The same for people: both commands call it whole, and say where it is not."""
    seal()
    said = StringIO()
    call_command("verify_audit", tenant=schema, stdout=said)
    call_command("rebuild_states", tenant=schema, check=True, stdout=said)
    assert "1 tenant: tables and events agree" in said.getvalue()
    call_command("rebuild_states", tenant=schema, stdout=said)
    assert f"{schema} SHOP-1 " in said.getvalue()
    with tenant_scope(schema), connection.cursor() as cursor:
        cursor.execute("UPDATE workflows_story SET state = 'archived' WHERE reference = 'SHOP-1' RETURNING state")
        cursor.execute("DELETE FROM workflows_taskpart")
    with pytest.raises(CommandError, match=r"story SHOP-1: state is archived, its events say \w+"):
        call_command("rebuild_states", tenant=schema, check=True)
