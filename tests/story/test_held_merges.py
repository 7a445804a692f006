"""What people approved does not happen under a kill switch, not even half of it; it goes on by itself after it."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

from gateway.actions.holds import hold_platform, release_platform
from governance.actions.holds import lift_hold, place_hold
from governance.actions.outcomes_held import retry_approval, retry_held
from governance.models import Approval
from governance.selectors import approval
from governance.tests.tools import kinds_recorded
from governance.views import ApprovalView
from gpu_workers.actions.reverts import request_revert
from gpu_workers.carrying_out import merge_stopped
from gpu_workers.folders import repository_folder
from gpu_workers.merge_rules import NotNow
from gpu_workers.models import ChangeRequest, CIRun, Errand
from gpu_workers.repos import changes, git
from guildhall.evidence.models import ConsumerCursor
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.errors import Conflict
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.story.scripts import RIGHT, mending
from tests.story.test_approved_not_done import merge
from tests.story.test_merging import move_base
from tests.story.test_moved_bases import waiting
from tests.support.busy import command_lines
from tests.support.clients import signed_in
from tests.support.processes import until
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of
from workflows.actions.strategies import create_strategy
from workflows.models import Story, Task

pytestmark = pytest.mark.integration
WHY = "Something is wrong with what agents do."
SLEEP = f"47{os.getpid()}"


@contextmanager
def everything_held() -> Iterator[None]:
    """The owner's own kill switch."""
    owner = system_actor("tests", PLATFORM)
    with platform_scope():
        hold = hold_platform(actor=owner, reason=WHY)
    try:
        yield
    finally:
        with platform_scope():
            release_platform(actor=owner, hold=hold)


def held(world: World, given: ApprovalView, before: str) -> None:
    """Whatever is tried, nothing is merged, and the approval says why."""
    with tenant_scope(world.tenant.schema):
        assert retry_held(actor=world.tenant.system(), stopped=merge_stopped) == 0
        retry_approval(actor=world.owner, approval=given.number, reason="Trying it in spite of the hold.")
    world.settle()
    with tenant_scope(world.tenant.schema):
        now = approval(world.owner, given.number)
        assert ChangeRequest.objects.get().state == "open"
    assert (now.state, world.head()) == ("approved", before)
    assert now.held_reason.endswith(f"is on hold: {WHY}")


def sleeping() -> list[str]:
    """CI's processes, inside and outside of the sandbox."""
    return [pid for pid, words in command_lines().items() if f"sleep\0{SLEEP}".encode() in words]


def held_once_ci_runs(world: World) -> None:
    """A person pulls the kill switch while CI is under way."""
    try:
        until(sleeping, what="CI on the rebased commit")
        with tenant_scope(world.tenant.schema):
            place_hold(actor=world.tenant.actor("admin"), kind="tenant", target="", reason=WHY)
        until(lambda: not sleeping(), what="the end of CI")
    finally:
        connection.close()


@contextmanager
def held_amid_git(world: World) -> Iterator[None]:
    """A person pulls the kill switch while git waits for something that never comes."""

    def stuck(repo: Path, *_: str) -> None:
        place_hold(actor=world.tenant.actor("admin"), kind="tenant", target="", reason=WHY)
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            address = f"git://127.0.0.1:{nobody.getsockname()[1]}/till.git"
            git.git(repo, "ls-remote", address, env={"GIT_ALLOW_PROTOCOL": "git"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(git, "TIMEOUT_S", 20)
        patch.setattr(changes, "refuse_unfolding", stuck)
        yield


def test_an_approved_merge_and_a_revert_wait_under_every_kill_switch(tenant: TestTenant, tmp_path: Path) -> None:
    world, task, first = waiting(tenant, mending())
    admin, before = tenant.actor("admin"), world.head()
    with tenant_scope(tenant.schema):
        strategy = create_strategy(
            actor=world.owner, project=world.project, goal="Fewer complaints.", budget_usd=Decimal(5)
        )
        Story.objects.filter(pk=task.story_id).update(strategy=strategy)
        run = ChangeRequest.objects.get().run
        assert run is not None
        targets = {"strategy": str(strategy.pk), "agent": run.agent.ref, "run": str(run.number)}
        place_hold(actor=admin, kind="tenant", target="", reason=WHY)
    world.approve(first)
    held(world, first, before)
    with tenant_scope(tenant.schema):
        lift_hold(actor=admin, kind="tenant", target="")
    for kind, target in targets.items():
        with tenant_scope(tenant.schema):
            place_hold(actor=admin, kind=kind, target=target, reason=WHY)
            with pytest.raises(NotNow, match=f"(?i){kind} .* is on hold: {WHY}"):
                merge(world, task, first)
            lift_hold(actor=admin, kind=kind, target=target)
    with everything_held():
        held(world, first, before)

    moved = move_base(world, tmp_path, "ci.py", f"import subprocess\n\nsubprocess.run(['sleep', '{SLEEP}'])\n")
    with tenant_scope(tenant.schema):
        assert retry_held(actor=tenant.system(), stopped=merge_stopped) == 1, (
            "the timekeeper sees that the owner's is over"
        )
    with held_amid_git(world):
        world.settle()
    with tenant_scope(tenant.schema):
        assert approval(world.owner, first.number).held_reason.endswith(f"is on hold: {WHY}")
    held(world, first, moved)
    with tenant_scope(tenant.schema):
        lift_hold(actor=admin, kind="tenant", target="")
        assert retry_held(actor=tenant.system(), stopped=merge_stopped) == 1
    with ThreadPoolExecutor(1) as somebody:
        switch = somebody.submit(held_once_ci_runs, world)
        world.settle()
        switch.result()
    held(world, first, moved)
    with tenant_scope(tenant.schema):
        assert not CIRun.objects.filter(purpose="rebase").exists(), "what was cut off says nothing of the commit"
    move_base(world, tmp_path, "ci.py", files_of(DEMO / "till")["ci.py"].decode(), "back")
    with tenant_scope(tenant.schema):
        lift_hold(actor=admin, kind="tenant", target="")
    world.settle()
    again = world.approval(task)
    assert again is not None
    assert (again.number > first.number, again.state) == (True, "pending"), "it went on by itself: rebased, CI green"
    world.approve(again)
    world.settle()
    assert world.text("till/basket.py") == RIGHT
    undone(world)


def undone(world: World) -> None:
    """Reverts wait for the end of a hold over everything; one of its author keeps nobody from undoing."""
    admin, merged = world.tenant.actor("admin"), world.head()
    with tenant_scope(world.tenant.schema):
        change = ChangeRequest.objects.get()
        request_revert(actor=world.owner, change=change, reason="The tills cannot round like this.")
        place_hold(actor=admin, kind="tenant", target="", reason=WHY)
        with pytest.raises(Conflict, match=WHY):
            request_revert(actor=world.owner, change=change, reason="Asked while all is on hold.")
    world.settle()
    assert (world.head(), kinds_recorded(world.tenant).count("delivery.change.revert_failed")) == (merged, 1)
    with tenant_scope(world.tenant.schema):
        lift_hold(actor=admin, kind="tenant", target="")
        request_revert(actor=world.owner, change=change, reason="Asked between two holds.")
    with held_amid_git(world):
        world.settle()
    assert (world.head(), kinds_recorded(world.tenant).count("delivery.change.revert_failed")) == (merged, 2)
    with tenant_scope(world.tenant.schema):
        lift_hold(actor=admin, kind="tenant", target="")
        place_hold(actor=admin, kind="agent", target=change.author, reason=WHY)
        request_revert(actor=world.owner, change=change, reason="Asked again after the hold.")
    world.settle()
    with tenant_scope(world.tenant.schema):
        assert ChangeRequest.objects.get().state == "reverted"
    assert world.head() != merged


def test_a_merge_that_git_refuses_says_so_and_holds_up_no_other(tenant: TestTenant) -> None:
    world, task, first = waiting(tenant, mending())
    with tenant_scope(tenant.schema):
        objects = repository_folder("till") / "objects"
    objects.rename(objects.with_name("aside"))
    world.approve(first)
    relay()
    consume(tenant.schema)
    objects.with_name("aside").rename(objects)
    with tenant_scope(tenant.schema):
        told, cursor = approval(world.owner, first.number), ConsumerCursor.objects.get(consumer="agents.merges")
        assert (told.state, cursor.attempts, cursor.retry_at) == ("approved", 0, None)
        assert told.held_reason.startswith("It cannot be carried out now and is tried again. git cannot do that")
        assert "/" not in told.held_reason, "no folder of the platform's machine"
        assert retry_held(actor=tenant.system(), stopped=merge_stopped) == 0, "it is tried again by itself"
        until = Approval.objects.get(pk=first.number).held_until
        number = ChangeRequest.objects.get().number
    page = signed_in(tenant, tenant.member("developer")).get(f"/changes/{number}/").content.decode()
    assert f"Merge waits: {told.held_reason}" in page
    with tenant_scope(tenant.schema):
        Errand.objects.update(retry_at=None)
    objects.rename(objects.with_name("aside"))
    world.settle()
    objects.with_name("aside").rename(objects)
    with tenant_scope(tenant.schema):
        moved = Approval.objects.get(pk=first.number).held_until
        assert until is not None
        assert moved is not None
        assert moved > until, "as long as it is in the way"
        assert kinds_recorded(tenant).count("governance.approval.held_back") == 1, "it is told once"
        Errand.objects.update(retry_at=None)
    world.settle()
    with tenant_scope(tenant.schema):
        assert Task.objects.get(pk=task.pk).state == "done"
    assert world.text("till/basket.py") == RIGHT
