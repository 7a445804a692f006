"""A person implements a task: claims it, hands in a patch, has CI's answer, and it is merged like an agent's work."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from difflib import unified_diff
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from governance.actions.approvals import decide_approval
from governance.selectors import entries_of
from gpu_workers import ci_runs
from gpu_workers.actions.hand_ins import propose_change
from gpu_workers.ci import CIOutcome, run_ci
from gpu_workers.forges.vault import seal
from gpu_workers.handing_in import carry_out_hand_in
from gpu_workers.models import Agent, ChangeRequest, CIRun, HandIn
from gpu_workers.patches import MAX_BYTES, check_patch
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid, NotFound, TooLarge
from tests.support.clients import Browser, program, signed_in, tokens_of
from tests.support.tenants import TestTenant
from tests.support.world import World
from workflows.actions import create_story, transition_story, transition_task
from workflows.machines import TestReport
from workflows.models import ProjectRepository, Task
from workflows.planning import TaskDraft
from workflows.selectors import find_task

pytestmark = pytest.mark.integration
BEFORE = "def shout(word):\n    return word\n"
WRONG = "def shout(word):\n    return word.lower()\n"
RIGHT = "def shout(word):\n    return word.upper()\n"
CHECK = 'from shout import shout\nassert shout("a") == "A", "it does not shout: " + shout("a")\n'
SECRET = "AKIA" + "QYLPMN5HHHFPZAM2"
KEYS = f'KEY = "{SECRET}"\nLOUD = True\n'
CLEAN = 'import os\n\nKEY = os.environ["CLOUD"]\nLOUD = True\n'
FILES = {
    "shout.py": BEFORE.encode(),
    "check.py": CHECK.encode(),
    "keys.py": KEYS.encode(),
    ".gitignore": b"*.log\n",
}


def patch_of(path: str, before: str, after: str) -> str:
    """What `git diff` writes for one file; "" for one that is not there on that side."""
    old, new = (f"a/{path}" if before else "/dev/null"), (f"b/{path}" if after else "/dev/null")
    lines = unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), old, new)
    return f"diff --git a/{path} b/{path}\n" + ("" if before else "new file mode 100644\n") + "".join(lines)


def world_of(tenant: TestTenant) -> tuple[World, Task]:
    """A world without agents whose story has one task to do."""
    world = World.build(tenant, "ECHO", FILES, "python3 check.py")
    return world, planned(world)


def planned(world: World) -> Task:
    """The one task of a story in a world whose agents rest."""
    tenant = world.tenant
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
    return world.task(story)


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
    _given_back(browser, place)
    sent = {"patch": patch_of("shout.py", BEFORE, WRONG).replace("\n", "\r\n")}
    assert browser.submit(f"{place}hand-ins/", sent, form_at=place).status_code == 302
    with tenant.scope():
        first = HandIn.objects.get()
    assert f"Take back hand-in {first.pk}" in browser.get(place).content.decode()
    assert browser.submit(f"{place}hand-ins/", {"withdraw": first.pk}, form_at=place).status_code == 302
    assert "is taken back" in browser.get(place).content.decode()
    assert browser.submit(f"{place}hand-ins/", sent, form_at=place).status_code == 302
    world.settle()
    page = browser.get(place).content.decode()
    assert "it does not shout: a" in page, "what CI wrote"
    with tenant.scope():
        red = HandIn.objects.get(state="red")
        assert (red.state, red.patch) == ("red", "")
        assert not ChangeRequest.objects.exists()
        assert [(line.cost_kind, line.spent_delta > 0) for line in entries_of("owner", task.ref)] == [("compute", True)]
    with pytest.raises(Invalid, match="CI"):
        act(world, member.actor, "commit_code", commit_sha=red.head_sha)
    api: Client = program(tenant, tokens_of(tenant, member)["access"])
    diffs = patch_of("keys.py", KEYS, CLEAN) + patch_of("shout.py", BEFORE, RIGHT)
    body = {"patch": f"From: Ada\nSubject: [PATCH] Shout\n\n---\n{diffs}-- \n2.39.5\n"}
    answer = api.post(f"/api/v1{place}hand-ins/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    at = f"/api/v1{place}hand-ins/{answer.json()['id']}/withdraw/"
    assert api.post(at).json()["state"] == "withdrawn"
    assert api.post(at).status_code == 409, "it is not in work any more"
    answer = api.post(f"/api/v1{place}hand-ins/", body, content_type="application/json")
    again = api.post(f"/api/v1{place}hand-ins/", body, content_type="application/json")
    assert again.status_code == 409, "it is in work"
    with tenant.scope():
        assert SECRET not in HandIn.objects.get(state="waiting").patch, "what it takes out is kept sealed"
    world.settle()
    found = api.get(f"/api/v1{place}hand-ins/").json()["results"]
    assert [row["state"] for row in found] == ["green", "withdrawn", "red", "withdrawn"]
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
    late = browser.submit(f"{place}hand-ins/", {"patch": "Too late."}, form_at=place)
    assert (late.status_code, "Too late." in late.content.decode()) == (403, True), "what was written is not lost"
    judge(world, change.head_sha)
    approval = world.approval(task)
    assert approval is not None
    assert browser.get(f"/approvals/{approval.number}/").status_code == 200
    himself = replace(member.actor, roles=frozenset({"developer", "product_owner"}))
    with tenant.scope(), pytest.raises(Denied):
        decide_approval(actor=himself, approval=approval.number, decision="approve", binding_hash=approval.binding_hash)
    world.approve(approval)
    world.settle()
    assert world.task(task.story).state == "done"
    assert (world.text("shout.py"), world.text("keys.py"), world.head()) == (RIGHT, CLEAN, change.head_sha)


def _given_back(browser: Browser, place: str) -> None:
    """What is refused comes back in its field, with the reason beside it, and as the text of a file."""

    def sent(**form: Any) -> tuple[int, str]:
        answer = browser.submit(f"{place}hand-ins/", form, form_at=place)
        return answer.status_code, answer.content.decode()

    status, page = sent(patch="Please make it <louder>\r\n& soon.")
    assert (status, 'id="hand-in-patch-problem"' in page) == (422, True)
    assert "Please make it &lt;louder&gt;\n&amp; soon.</textarea>" in page
    assert "This is no patch" in page
    torn = patch_of("shout.py", BEFORE, RIGHT).rpartition("-    return word")[0]
    status, page = sent(file=SimpleUploadedFile("shout.patch", torn.encode()))
    assert (status, "@@ -1,2 +1,2 @@" in page, "in the middle of a hunk" in page) == (422, True, True)
    status, page = sent(patch="+" * (MAX_BYTES + 1))
    assert (status, "+++++" in page, f"at most {MAX_BYTES} are taken" in page) == (413, False, True)
    status, page = sent(patch=patch_of("config.py", "", KEYS))
    assert (status, "reads like a secret" in page) == (422, True)


def judge(world: World, sha: str) -> None:
    architect, qa = world.tenant.actor("architect"), world.tenant.actor("qa")
    act(world, architect, "claim_review")
    act(world, architect, "approve_design")
    act(world, qa, "claim_testing")
    act(world, qa, "approve_tests", report=TestReport(sha, passed=1))
    world.settle()


def test_what_may_not_be_handed_in_is_refused_and_leaves_nothing(
    make_tenant: Callable[..., TestTenant], other_tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
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
    kept = hand_in(world, ada, right)
    with tenant.scope():
        HandIn.objects.filter(pk=kept.pk).update(patch=seal(right, "what was handed in for another task"))
        carry_out_hand_in(kept.pk)
        assert "cannot be read" in HandIn.objects.get(pk=kept.pk).reason
    pushed = hand_in(world, ada, pushed="fix-shouting")
    gone = hand_in_gone(world, ada, pushed, right, monkeypatch)
    with tenant.scope():
        assert "hand in a patch" in HandIn.objects.get(pk=pushed.pk).reason
        assert (gone.state, ChangeRequest.objects.exists()) == ("refused", False)
        assert "claim" in gone.reason


def hand_in_gone(world: World, actor: Actor, before: HandIn, patch: str, monkeypatch: pytest.MonkeyPatch) -> HandIn:
    """A hand-in whose claim was let go before CI had answered."""
    with world.tenant.scope():
        carry_out_hand_in(before.pk)
    made = hand_in(world, actor, patch)

    def answer_too_late(*given: Any, **more: Any) -> CIOutcome:
        assert more["limits"].cpu_s == 77, "what its project says"
        act(world, actor, "release")
        return run_ci(*given, **more)

    monkeypatch.setattr(ci_runs, "run_ci", answer_too_late)
    with world.tenant.scope():
        ProjectRepository.objects.update(ci_limits={"cpu_seconds": 77})
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


def test_a_secret_that_is_there_may_be_taken_out_and_moved_nowhere() -> None:
    check_patch(patch_of("keys.py", KEYS, CLEAN))
    check_patch(patch_of("keys.py", KEYS, f"{KEYS}\nLOUDER = True\n"))
    check_patch(f'--- a/keys.py\n+++ b/keys.py\n@@ -9 +9 @@ KEY = "{SECRET}"\n-x = 1\n+x = 2\n')
    moved = patch_of("keys.py", KEYS, "LOUD = True\n") + patch_of("other.py", "", KEYS)
    with pytest.raises(Invalid, match="Line 12 reads"):
        check_patch(moved)
