"""Claims whose lease is over: a night without a scheduler takes no agent's task, and who lost a task changes nothing of it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from gpu_workers.actions.changes import ClaimGone, open_change
from gpu_workers.actions.hand_ins import propose_change
from gpu_workers.claims import keep_claims
from gpu_workers.dispatch import dispatch
from gpu_workers.events import AgentWorkCompleted
from gpu_workers.models import Agent, ChangeRequest, Run, RunStep
from gpu_workers.models.run import RunKind, RunState
from gpu_workers.moving import move_on
from gpu_workers.runs.engine import execute
from guildhall.evidence.delivery import deliver
from guildhall.kernel.actor import Actor
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.errors import Conflict
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import RIGHT, planning, verdicts, writing
from tests.story.test_budgets import limit
from tests.story.test_bugfix_story import STORY
from tests.story.test_engine_faults import well
from tests.story.test_handed_in_by_people import patch_of
from tests.story.test_two_changes_at_once import PROPOSED
from tests.support.busy import queue_many
from tests.support.pump import relay, settle
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.actions import release_expired_claims, transition_task
from workflows.models import Story, Task

pytestmark = pytest.mark.integration
SCRIPT = [*planning(), *writing(RIGHT, contains=["Carry the task out now."]), *verdicts()]
FILE = "till/basket.py"


def waiting(world: World) -> Story:
    """A story whose agent waits for money amid its work."""

    def tighten(boundary: str, key: str) -> None:
        if (boundary, key) == ("done", "executor.2"):
            limit(world, "0.001")

    story = world.story(**STORY)
    settle(world.tenant.schema, tighten)
    with world.tenant.scope():
        assert Run.objects.get(kind=RunKind.WORK).state == RunState.WAITING
    return story


def lapse() -> None:
    Task.objects.exclude(holder="").update(lease_until=Now() - timedelta(minutes=1))


def proposed(run: Run, actor: Actor, task: str) -> object:
    return open_change(
        actor=actor, run=run, fence=run.fence, step="propose", task=task, title="Mine", proposal=PROPOSED
    )


def test_a_night_without_a_scheduler_takes_no_agents_task(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    seen = []

    def attack(boundary: str, key: str) -> None:
        if boundary == "begun":
            with world.tenant.scope():
                seen.append(_others_claims(key))

    with scripted_model(SCRIPT) as model:
        story = waiting(world)
        with tenant_scope(tenant.schema):
            lapse()
            assert (keep_claims(), release_expired_claims(actor=tenant.system())) == (1, 0)
        limit(world, "5")
        settle(tenant.schema, attack)
        assert set(seen) == {"", RunKind.WORK, RunKind.REVIEW}, "both were attacked"
        assert world.task(story).state == "pending_po_approval", world.told()
        with tenant_scope(tenant.schema):
            assert Run.objects.filter(kind=RunKind.WORK).count() == 1
            assert RunStep.objects.filter(kind="model").count() == len(model.journal), "nothing was asked twice"


def _others_claims(key: str) -> str:
    """What is refused of a run that is under way; of what kind it is, "" where it was left alone.

    Nobody renews its claim from then on: it is still its own.
    """
    run = Run.objects.select_related("agent").get(state=RunState.RUNNING)
    claims, mason = Task.objects.filter(reference=run.subject[5:]), run.agent.actor()
    task = claims.first()
    if task is None:
        return ""
    if run.kind == RunKind.WORK and key == "propose":
        for actor, about in ((Agent.objects.get(name="alder").actor(), task.reference), (mason, "TILL-1.2")):
            with pytest.raises(ClaimGone):
                proposed(run, actor, about)
        claims.update(claim_token=F("claim_token") + 1)
        with pytest.raises(ClaimGone, match=f"run {run.number} worked under has ended"):
            proposed(run, mason, task.reference)
        claims.update(claim_token=F("claim_token") - 1)
        assert not ChangeRequest.objects.exists()
        lapse()
        return RunKind.WORK
    if run.kind == RunKind.REVIEW:
        judged = AgentWorkCompleted(
            subject=run.subject, run=run.number, run_kind=run.kind, agent=run.agent.name, claim=run.claim,
            verdict="approved", sha="1" * 40,
        )  # fmt: skip
        with pytest.raises(Conflict, match="was judged"):
            move_on(judged, datetime.now(UTC))
        assert claims.get().state == "arch_reviewing"
        return RunKind.REVIEW
    return ""


def test_a_run_that_lost_its_task_replaces_nothing_that_others_made_of_it(tenant: TestTenant) -> None:
    files = files_of(DEMO / "till")
    world, ada = World.build(tenant, "TILL", files, "python3 ci.py"), tenant.member("developer").actor
    with scripted_model(SCRIPT):
        story = waiting(world)
        with tenant_scope(tenant.schema):
            lapse()
            assert release_expired_claims(actor=tenant.system()) == 1
            dispatch()
            assert Task.objects.get().holder == "", "its run is still open"
            task = transition_task(actor=ada, task=Task.objects.select_related("story").get(), name="claim_task")
            patch = patch_of(FILE, files[FILE].decode(), hers := f"{RIGHT}\n# Checked by hand.\n")
            made = propose_change(actor=ada, task=task, patch=patch)
        world.settle()
        with tenant_scope(tenant.schema):
            made.refresh_from_db()
            task = Task.objects.select_related("story").get()
            transition_task(actor=ada, task=task, name="commit_code", commit_sha=made.head_sha)
        world.settle()
        before = next(run for run in world.runs() if run.kind == RunKind.WORK)
        with tenant_scope(tenant.schema):
            taken = before.steps.count()
        limit(world, "5")
        world.settle()
        run = next(run for run in world.runs() if run.kind == RunKind.WORK)
        with tenant_scope(tenant.schema):
            assert (run.fence > before.fence, run.steps.count()) == (True, taken), (
                "it went on, and took no further step"
            )
        assert (run.state, "The claim on TILL-1.1" in run.reason) == (RunState.CANCELLED, True), run.reason
        assert run.outcome["retried_by"], "what agents lost is no failed try"
        with tenant_scope(tenant.schema):
            change = ChangeRequest.objects.get()
            assert (change.author, change.run, change.head_sha) == (ada.ref, None, made.head_sha)
        given = world.approval(world.task(story))
        assert given is not None
        assert given.binding["commit_sha"] == made.head_sha
        world.approve(given)
        world.settle()
    assert world.task(story).merged_sha == made.head_sha == world.head()
    assert world.text(FILE) == hers


def test_work_that_is_done_keeps_its_task_until_it_is_handed_to_who_moves_it_on(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "grep -q 'A note' note.txt", councils=True)
    numbers, mover = queue_many(world, 2), registered_consumers()["agents.work"]
    with scripted_model(well()), tenant_scope(tenant.schema):
        for number in numbers:
            execute(number)
        assert set(Run.objects.values_list("state", flat=True)) == {RunState.SUCCEEDED}
        Story.objects.update(state="in_progress")
        for placed in (False, True):
            assert not placed or relay()
            lapse()
            assert (keep_claims(), release_expired_claims(actor=tenant.system())) == (2, 0), "nobody was told of it yet"
        moved, refused = Task.objects.order_by("number")
        Task.objects.filter(pk=refused.pk).update(commit_sha="1" * 40, state="arch_reviewing")
        deliver(mover)
        assert Task.objects.get(pk=moved.pk).state == "pending_arch_review"
        lapse()
        assert keep_claims() == 0, "what was refused is handed over too"
        assert release_expired_claims(actor=tenant.system()) == 1
