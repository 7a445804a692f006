"""A person implements a task: claims it, hands in a patch, has CI's answer, and it is merged like an agent's work."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from difflib import unified_diff
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from governance.actions.approvals import decide_approval
from governance.actions.holds import lift_hold, place_hold
from governance.selectors import entries_of
from gpu_workers import handing_in
from gpu_workers.actions.hand_ins import propose_change
from gpu_workers.handing_in import carry_out_hand_in, waiting_hand_ins
from gpu_workers.models import Agent, ChangeRequest, CIRun, HandIn
from gpu_workers.patches import MAX_BYTES, check_patch
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid, NotFound, TooLarge
from tests.support.clients import program, signed_in, tokens_of
from tests.support.tenants import TestTenant
from tests.support.world import World
from workflows.actions import create_story, transition_story, transition_task
from workflows.machines import TestReport
from workflows.models import Task
from workflows.planning import TaskDraft
from workflows.selectors import find_task

pytestmark = pytest.mark.integration
BEFORE = "def shout(word):\n    return word\n"
WRONG = "def shout(word):\n    return word.lower()\n"
RIGHT = "def shout(word):\n    return word.upper()\n"
CHECK = 'from shout import shout\nassert shout("a") == "A", "it does not shout: " + shout("a")\n'
FILES = {"shout.py": BEFORE.encode(), "check.py": CHECK.encode(), ".gitignore": b"*.log\n"}


def patch_of(path: str, before: str, after: str) -> str:
    """What `git diff` writes for one file; "" for one that is not there on that side."""
    old, new = (f"a/{path}" if before else "/dev/null"), (f"b/{path}" if after else "/dev/null")
    lines = unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), old, new)
    return f"diff --git a/{path} b/{path}\n" + ("" if before else "new file mode 100644\n") + "".join(lines)


def world_of(tenant: TestTenant) -> tuple[World, Task]:
    """A world without agents whose story has one task to do."""
    world = World.build(tenant, "ECHO", FILES, "python3 check.py")
    content: Any = {
        "title": "Shout what was said",
        "brief": "Nobody hears it.",
        "acceptance": ["Given a word, when it is shouted, then it is in capitals"],
        "size": "S",
        "priority": "normal",
        "risk_labels": [],
        "depends_on": [],
        "budget_usd": Decimal("2.00"),
    }
    with tenant.scope():
        Agent.objects.update(active=False)
        story = create_story(actor=world.owner, project=world.project, content=content)
        transition_story(actor=world.owner, story=story, name="submit")
        transition_story(actor=world.owner, story=story, name="approve_scope")
        drafts = (TaskDraft("Have it shout", "developer"),)
        transition_story(actor=tenant.actor("architect"), story=story, name="derive_tasks", add=drafts)
        transition_story(actor=world.owner, story=story, name="commit_to_sprint")
    return world, world.task(story)


def act(world: World, actor: Actor, name: str, **more: Any) -> Task:
    with world.tenant.scope():
        task = Task.objects.select_related("story").get()
        return transition_task(actor=actor, task=task, name=name, **more)


def hand_in(world: World, actor: Actor, patch: str = "", **more: Any) -> HandIn:
    with world.tenant.scope():
        task = Task.objects.select_related("story").get()
        return propose_change(actor=actor, task=task, patch=patch, **more)


def test_a_persons_patch_is_judged_by_ci_reviewed_approved_and_merged(tenant: TestTenant) -> None:
    world, task = world_of(tenant)
    member, place = tenant.member("developer"), f"/tasks/{task.reference}/"
    browser = signed_in(tenant, member)
    assert "hand-in-form" not in browser.get(place).content.decode(), "nobody has claimed it"
    assert browser.submit(place, {"act": "claim_task"}).status_code == 302
    assert "hand-in-form" in browser.get(place).content.decode()
    sent = {"patch": patch_of("shout.py", BEFORE, WRONG).replace("\n", "\r\n")}
    assert browser.submit(f"{place}hand-ins/", sent, form_at=place).status_code == 302
    world.settle()
    page = browser.get(place).content.decode()
    assert "it does not shout: a" in page, "what CI wrote"
    with tenant.scope():
        red = HandIn.objects.get()
        assert (red.state, red.patch) == ("red", "")
        assert not ChangeRequest.objects.exists()
        assert [(line.cost_kind, line.spent_delta > 0) for line in entries_of("owner", task.ref)] == [("compute", True)]
    with pytest.raises(Invalid, match="CI"):
        act(world, member.actor, "commit_code", commit_sha=red.head_sha)
    api: Client = program(tenant, tokens_of(tenant, member)["access"])
    body = {"patch": f"From: Ada\nSubject: [PATCH] Shout\n\n---\n{patch_of('shout.py', BEFORE, RIGHT)}-- \n2.39.5\n"}
    answer = api.post(f"/api/v1{place}hand-ins/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    again = api.post(f"/api/v1{place}hand-ins/", body, content_type="application/json")
    assert again.status_code == 409, "it is in work"
    world.settle()
    found = api.get(f"/api/v1{place}hand-ins/").json()["results"]
    assert [row["state"] for row in found] == ["green", "red"]
    with tenant.scope():
        change = ChangeRequest.objects.get()
        assert (change.author, change.run, change.head_sha) == (member.actor.ref, None, found[0]["head_sha"])
        assert CIRun.objects.get(pk=found[0]["ci"]).green
    with pytest.raises(Conflict, match="already"):
        hand_in(world, member.actor, body["patch"])
    assert api.get(f"/api/v1/changes/{change.number}/").json()["run"] is None
    page = browser.get(place).content.decode()
    assert "Give it to review" in page
    sent = {
        "act": "commit_code",
        "commit_sha": change.head_sha,
        "version": page.split('name="version" value="')[1].split('"')[0],
    }
    assert browser.submit(place, sent).status_code == 302
    _judge(world, change.head_sha)
    approval = world.approval(task)
    assert approval is not None
    assert browser.get(f"/approvals/{approval.number}/").status_code == 200
    himself = replace(member.actor, roles=frozenset({"developer", "product_owner"}))
    with tenant.scope(), pytest.raises(Denied):
        decide_approval(actor=himself, approval=approval.number, decision="approve", binding_hash=approval.binding_hash)
    world.approve(approval)
    world.settle()
    assert world.task(task.story).state == "done"
    assert (world.text("shout.py"), world.head()) == (RIGHT, change.head_sha)


def _judge(world: World, sha: str) -> None:
    architect, qa = world.tenant.actor("architect"), world.tenant.actor("qa")
    act(world, architect, "claim_review")
    act(world, architect, "approve_design")
    act(world, qa, "claim_testing")
    act(world, qa, "approve_tests", report=TestReport(sha, passed=1))
    world.settle()


def test_what_may_not_be_handed_in_is_refused_and_leaves_nothing(
    make_tenant: Callable[..., TestTenant], other_tenant: TestTenant
) -> None:
    world, task = world_of(make_tenant())
    tenant, right = world.tenant, patch_of("shout.py", BEFORE, RIGHT)
    ada = tenant.actor("developer", name="ada")
    with pytest.raises(Denied):
        hand_in(world, ada, right)
    act(world, ada, "claim_task")
    for other in (
        tenant.actor("developer", name="bob"),
        tenant.actor("product_owner"),
        tenant.agent("developer", "mason"),
    ):
        with pytest.raises(Denied):
            hand_in(world, other, right)
    with other_tenant.scope(), pytest.raises(NotFound):
        find_task(other_tenant.actor("developer"), task.reference)
    with pytest.raises(Invalid):
        hand_in(world, ada, pushed="guildhall/mine")
    refused = {
        patch_of("config/.env", "", "LOUD=1\n"): "The policy lets no change touch",
        patch_of("shout.py", "def cry():\n    return 1\n", RIGHT): "does not apply",
        patch_of("debug.log", "", "x\n"): ".gitignore",
        "diff --git a/check.py b/run.py\nsimilarity index 100%\nrename from check.py\nrename to run.py\n": "CI",
    }
    for patch, why in refused.items():
        made = hand_in(world, ada, patch)
        with tenant.scope():
            carry_out_hand_in(made.pk)
            made.refresh_from_db()
            assert why in made.reason, (patch, made.reason)
            assert made.state == ("red" if why == "CI" else "refused")
            assert not ChangeRequest.objects.exists()
    pushed = hand_in(world, ada, pushed="fix-shouting")
    gone = hand_in_gone(world, ada, pushed, right)
    with tenant.scope():
        assert "hand in a patch" in HandIn.objects.get(pk=pushed.pk).reason
        assert (gone.state, ChangeRequest.objects.exists()) == ("refused", False)
        assert "claim" in gone.reason


def hand_in_gone(world: World, actor: Actor, before: HandIn, patch: str) -> HandIn:
    """A hand-in whose claim was let go before CI had answered."""
    with world.tenant.scope():
        carry_out_hand_in(before.pk)
    made = hand_in(world, actor, patch)
    act(world, actor, "release")
    with world.tenant.scope():
        carry_out_hand_in(made.pk)
        return HandIn.objects.get(pk=made.pk)


@pytest.mark.parametrize(
    ("patch", "error"),
    [
        ("Please make it louder.\n", Invalid),
        ("+" * (MAX_BYTES + 1), TooLarge),
        (patch_of("key.py", "", 'KEY = "' + "AKIA" + 'QYLPMN5HHHFPZAM2"\n'), Invalid),
        (patch_of("../outside.py", "", "x\n"), Invalid),
        (patch_of(".git/hooks/post-commit", "", "x\n"), Invalid),
        (patch_of("/etc/passwd", "", "x\n"), Invalid),
        (patch_of("out", "", "/etc").replace("100644", "120000"), Invalid),
        ("diff --git a/x.png b/x.png\nGIT binary patch\nliteral 1\nIc\n", Invalid),
        ("--- a/shout.py\n+++ b/shout.py\n@@ -1,9 +1,9 @@\n def\n", Invalid),
    ],
    ids=["prose", "large", "secret", "above", "git", "absolute", "link", "binary", "torn"],
)
def test_a_patch_is_looked_at_before_it_is_kept(patch: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_patch(patch)


def test_a_worker_that_dies_leaves_one_commit_one_ci_and_one_change(
    tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _task = world_of(tenant)
    ada = tenant.actor("developer", name="ada")
    act(world, ada, "claim_task")
    made = hand_in(world, ada, patch_of("shout.py", BEFORE, RIGHT))

    class Died(BaseException):
        """kill -9"""

    def die(*_: object, **__: object) -> None:
        raise Died

    shas = set()
    with tenant.scope():
        place_hold(actor=tenant.actor("admin"), kind="tenant", target="", reason="Everything stops now.")
        carry_out_hand_in(made.pk)
        assert (HandIn.objects.get().fence, waiting_hand_ins()) == (0, [made.pk]), "it waits for the kill switch"
        lift_hold(actor=tenant.actor("admin"), kind="tenant", target="")
        for step in ("run_ci", "record_ci", "hand_over", "settle_hand_in"):
            with monkeypatch.context() as dying:
                dying.setattr(handing_in, step, die)
                with pytest.raises(Died):
                    carry_out_hand_in(made.pk)
            made.refresh_from_db()
            shas.add(made.head_sha)
            assert made.state == "waiting"
            assert waiting_hand_ins() == [], "its lease is held"
            HandIn.objects.update(lease_until=Now())
            HandIn.objects.filter(pk=made.pk).update(head_sha="") if step == "run_ci" else None
        carry_out_hand_in(made.pk)
        assert (HandIn.objects.get().state, len(shas)) == ("green", 1)
        assert (ChangeRequest.objects.count(), CIRun.objects.count()) == (1, 1)
