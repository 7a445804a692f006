"""A strong model of a route is away and a weak one answers: nothing is let through, planned or begun on the weak one's word."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import pytest

from gateway.cooling import KEPT, note_failed
from gateway.engines import shared_redis
from gateway.models import Deployment, Price, Route
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import RunKind, RunState
from gpu_workers.runs.engine import execute
from gpu_workers.runs.journal import ignore
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.fakes.openai_server import OpenAIServer, Rule
from tests.story.scripts import JUDGE, deliberating, planning, verdicts
from tests.story.test_engine_faults import due_now, well
from tests.support.busy import ACT, queue_many
from tests.support.tenants import TestTenant
from tests.support.world import MODEL, World, scripted_model
from workflows.actions import create_story
from workflows.models import Task

pytestmark = pytest.mark.integration
STRONG, WEAK = "tests", "weak"
AWAY: Rule = {"status": 401}
"""It knows no such key: it counts as failed at once, without being asked again and again."""
REJECTION = "The note says nothing of what it was asked for."
APPROVING = {"tool": "give_verdict", "arguments": {"verdict": "approve", "feedback": "Nothing stands against it."}}
Servers = tuple[OpenAIServer, OpenAIServer]


@contextmanager
def both() -> Iterator[Servers]:
    """A strong model on rank 1 of every route, and on rank 2 a weak one that agrees to everything at once."""
    weak_words: list[Rule] = [
        {"when": {"contains": [JUDGE]}, "reply": {"text": APPROVING}},
        *planning("Leave it as it is"),
        *deliberating(),
        {"reply": {"text": {"tool": "finish", "arguments": {"summary": "Nothing is to be done"}}}},
    ]
    with scripted_model([]) as strong, OpenAIServer(weak_words) as weak:
        with platform_scope():
            price = {"valid_from": date(2026, 1, 1), "tokens_in": 1, "tokens_out": 1, "tokens_cached": 1}
            Price.objects.get_or_create(model=WEAK, version="tests", defaults=price)
            second = Deployment.objects.create(name=WEAK, base_url=weak.url, model=WEAK, context_tokens=8192)
            for name in set(Route.objects.values_list("name", flat=True)):
                Route.objects.create(name=name, rank=2, deployment=second)
        shared_redis().delete(KEPT)
        try:
            yield strong, weak
        finally:
            shared_redis().delete(KEPT)
            with platform_scope():
                Deployment.objects.filter(name=WEAK).delete()


@pytest.fixture(scope="module")
def world(make_tenant: Callable[..., TestTenant]) -> World:
    return World.build(make_tenant(), "TILL", {"README": b"Notes.\n"}, "true", councils=True)


@pytest.fixture
def tenant(world: World) -> Iterator[TestTenant]:
    with tenant_scope(world.tenant.schema):
        yield world.tenant


def asked_to(server: OpenAIServer, words: str) -> int:
    return sum(words in asked for asked in server.asked)


def answered_by(run: Run) -> set[str]:
    """The models that the run's questions were answered by."""
    return {(step.response or {})["model"] for step in run.steps.filter(kind="model", finished_at__isnull=False)}


def rests(number: int) -> Run:
    """The run is where it was, and is tried again later."""
    run = Run.objects.get(number=number)
    assert (run.state, run.retry_at is not None) == (RunState.RUNNING, True), (run.state, run.reason)
    return due_now(number)


def to_judge(world: World, strong: OpenAIServer, kind: RunKind) -> Run:
    """A judge's run on a change that an agent has proposed, with green CI on it."""
    (number,) = queue_many(world, 1)
    strong.script = well()
    execute(number)
    work = Run.objects.get(number=number)
    assert (work.state, work.changes.count()) == (RunState.SUCCEEDED, 1), work.reason
    Task.objects.filter(reference=work.subject[5:]).update(claim_token=2)
    new = NewRun(kind, work.subject, work.story, work.title, f"{work.subject}:2", repository=work.repository)
    name = "alder" if kind == RunKind.REVIEW else "wren"
    return queue_run(actor=world.tenant.system(), agent=Agent.objects.get(name=name), new=new)


@pytest.mark.parametrize("kind", [RunKind.REVIEW, RunKind.TEST])
def test_nothing_is_approved_unlooked_nor_on_a_weak_models_word(
    world: World, tenant: TestTenant, kind: RunKind
) -> None:
    with both() as (strong, weak):
        run = to_judge(world, strong, kind)
        # Another organisation's call has failed there; that is all that this one's run can see of it.
        note_failed(STRONG)
        strong.script = [AWAY]
        execute(run.number)
        assert rests(run.number).outcome.get("verdict") is None
        assert asked_to(strong, JUDGE) == 1, "it is asked although it rests: no other may judge"
        execute(run.number)
        rests(run.number)
        strong.script = verdicts("reject", REJECTION)
        note_failed(STRONG)
        execute(run.number)
        run.refresh_from_db()
        assert (run.state, run.outcome["verdict"], run.outcome["feedback"]) == ("succeeded", "rejected", REJECTION)
        assert answered_by(run) == {MODEL}
        assert asked_to(weak, JUDGE) == 0


def test_a_verdict_that_a_weak_model_gave_counts_for_nothing(world: World, tenant: TestTenant) -> None:
    """However it came to be in the run's journal: a person judges."""

    def die(boundary: str, key: str) -> None:
        if (boundary, key) == ("done", "judge.1"):
            raise LeaseLost("this worker is dead")

    with both() as (strong, _):
        run = to_judge(world, strong, RunKind.REVIEW)
        strong.script = verdicts()
        execute(run.number, die)
        step = run.steps.get(key="judge.1")
        kept = {**(step.response or {}), "may_judge": False, "model": WEAK}
        run.steps.filter(pk=step.pk).update(response=kept)
        Run.objects.filter(pk=run.pk).update(lease_until=None)
        execute(run.number)
    run.refresh_from_db()
    assert (run.state, run.reason) == ("failed", "weak answered, whose verdicts do not count. A person has to judge.")


def test_work_that_needs_tool_calls_rests_and_is_not_given_up(world: World, tenant: TestTenant) -> None:
    first, second = queue_many(world, 2)
    with both() as (strong, weak):
        strong.script = [well()[0], AWAY]
        execute(first)
        rests(first)
        note_failed(STRONG)
        strong.script = [AWAY]
        execute(second)
        begun = rests(second)
        head = (begun.steps.get(key="prepare").response or {})["head"]
        assert (head["able"], head["tools"]) == (True, True), "what it was begun with is not what rested at that moment"
        assert answered_by(begun) == {WEAK}, "what any model can do goes on: the plan"
        assert asked_to(weak, ACT) == 0
        strong.script = well()
        for number in (first, second):
            execute(number)
            run = Run.objects.get(number=number)
            assert (run.state, run.changes.count()) == (RunState.SUCCEEDED, 1), run.reason


def test_a_risk_that_a_strong_model_finds_stays(world: World, tenant: TestTenant) -> None:
    story = create_story(actor=world.owner, project=world.project, content={"title": "Tidy up", "brief": "Tidy up."})
    new = NewRun(RunKind.PLAN, story.ref, story.ref, story.title, f"{story.ref}:plan", repository="till")
    run = queue_run(actor=tenant.system(), agent=Agent.objects.get(kind="planner"), new=new)
    with both() as (strong, weak):
        strong.script = [AWAY]
        execute(run.number)
        rests(run.number)
        assert asked_to(weak, "List the tasks.") == 0
        (rule, _) = planning("Delete what customers have paid")
        rule["reply"]["text"]["tasks"][0]["risk"] = "high"
        strong.script = [rule]
        execute(run.number, lambda boundary, key: note_failed(STRONG) if key == "derive.1" else ignore(boundary, key))
        run.refresh_from_db()
        assert [draft["risk"] for draft in run.outcome["drafts"]] == ["high"]
