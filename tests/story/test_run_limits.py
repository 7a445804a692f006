"""A run takes no more steps, tokens, minutes and rounds of fixing than its policy says, however many workers were at it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now

from governance.selectors import active_policy
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.models import Repository, Run, RunStep
from gpu_workers.models.run import RunState
from gpu_workers.runs.engine import execute
from gpu_workers.working_time import SINCE
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.test_engine_faults import acting, settled, well
from tests.support.busy import queue_many
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model

pytestmark = pytest.mark.integration
WRONG = {"name": "write_file", "arguments": {"path": "note.txt", "content": "Nothing.\n"}}
DONE = {"name": "finish", "arguments": {"summary": "Something is written"}}
SHIPPED = {"steps": 150, "tokens": 1_000_000, "minutes": 30, "fixer_rounds": 3}


def script() -> list[Rule]:
    """The run of task 5 writes what CI does not take."""
    wrong = [acting(" 5", turns=turn, reply={"tool_calls": [call]}) for turn, call in enumerate((WRONG, DONE))]
    return [*wrong, *well()]


def allow(tenant: TestTenant, **numbers: int) -> None:
    """Put the shipped numbers into force, but for these."""
    text = active_policy().text
    for name, number in {**SHIPPED, **numbers}.items():
        text, found = re.subn(rf"(?m)^  {name}: \d+$", f"  {name}: {number}", text)
        assert found == 1, name
    put_policy(tenant, text)


def die_after(number: int, step: str) -> Run:
    """A worker does the run's work up to this step, and is not heard of any more."""

    def observe(boundary: str, key: str) -> None:
        if (boundary, key) == ("done", step):
            raise LeaseLost("this worker is dead")

    execute(number, observe)
    run = Run.objects.get(number=number)
    assert (run.state, run.steps.filter(key=step).count()) == (RunState.RUNNING, 1)
    Run.objects.filter(pk=run.pk).update(lease_until=Now())
    return run


def escalated(number: int, reason: str) -> Run:
    """The run is with a person, its money is settled, and nobody goes on with it."""
    execute(number)
    run = Run.objects.get(number=number)
    assert (run.state, run.reason) == (RunState.ESCALATED, reason)
    settled()
    taken = run.steps.count()
    execute(number)
    assert (run.steps.count(), Run.objects.get(number=number).fence) == (taken, run.fence)
    return run


@pytest.fixture
def runs(tenant: TestTenant) -> Iterator[list[int]]:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "grep -q 'A note' note.txt", councils=True)
    numbers = queue_many(world, 6)
    with scripted_model(script()), tenant_scope(tenant.schema):
        yield numbers


def test_a_run_that_took_all_the_policy_allows_goes_to_a_person(tenant: TestTenant, runs: list[int]) -> None:
    stepping, talking, slow, resting, fixing, unjudged = runs
    allow(tenant, fixer_rounds=1)
    known = Repository.objects.values_list("ci_command", flat=True).get()
    Repository.objects.update(ci_command="no-such-ci")
    execute(unjudged)
    reason = Run.objects.get(number=unjudged).reason
    assert (reason.startswith("CI came to no verdict: "), "no-such-ci" in reason) == (True, True), reason
    Repository.objects.update(ci_command=known)
    run = escalated(fixing, "CI is still red after 1 attempt to fix it.")
    assert (run.round, run.steps.filter(key="plan").count()) == (1, 1)
    assert not run.steps.filter(key__startswith="fixer.2").exists()

    allow(tenant, steps=4)
    die_after(stepping, "plan")
    run = escalated(stepping, f"It took 4 steps; version {active_policy().version} of the policy allows a run 4.")
    assert (run.steps.count(), run.fence) == (4, 2), "steps of the worker that died count"
    allowed = {"name": "steps", "allowed": 4, "used": 4, "policy": active_policy().version}
    assert run.outcome["limit"] == allowed

    allow(tenant, tokens=10)
    die_after(talking, "plan")
    run = escalated(talking, _took(talking, 10))
    assert run.outcome["limit"]["name"] == "tokens"
    assert [step.key for step in run.steps.filter(kind="model")] == ["plan"]

    allow(tenant, minutes=20)
    run = die_after(slow, "plan")
    run.outcome[SINCE] = (datetime.now(UTC) - timedelta(minutes=21)).isoformat()
    run.save(update_fields=["outcome"])
    escalated(slow, f"It took 21 minutes; version {active_policy().version} of the policy allows a run 20.")

    run = die_after(resting, "plan")
    long_ago = datetime.now(UTC) - timedelta(days=2)
    run.outcome[SINCE] = long_ago.isoformat()
    Run.objects.filter(pk=run.pk).update(
        outcome=run.outcome, created_at=long_ago, started_at=long_ago, lease_until=long_ago + timedelta(minutes=25)
    )
    asked = run.steps.get(key="plan")
    assert asked.response is not None
    RunStep.objects.filter(pk=asked.pk).update(started_at=long_ago, response=asked.response | {"queued_ms": 360_000})
    execute(resting)
    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED, f"days without a worker and six minutes in line are no work: {run.reason}"


def _took(number: int, allowed: int) -> str:
    run = Run.objects.get(number=number)
    taken = sum(step.tokens_in + step.tokens_out for step in run.steps.all())
    assert taken > allowed
    return f"It took {taken} tokens; version {active_policy().version} of the policy allows a run {allowed}."
