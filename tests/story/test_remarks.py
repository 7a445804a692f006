"""What people and a reviewing agent say of a change's lines: in its page, by API, and in the next run for its task."""

from collections.abc import Callable
from typing import Any

import pytest

from governance.actions.approvals import decide_approval
from governance.tests.tools import kinds_recorded
from gpu_workers.actions.remarks import withdraw_remark
from gpu_workers.models import ChangeRemark, ChangeRequest, RunStep
from guildhall.kernel.errors import Conflict
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.scripts import JUDGE, RIGHT, planning, verdicts, writing
from tests.story.test_bugfix_story import STORY
from tests.story.test_judges import ARCHITECT, acts, gives
from tests.support.clients import program, signed_in, tokens_of
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.models import Story

pytestmark = pytest.mark.integration
ALMOST = RIGHT + "\n\n# rounding\n"
PATH = "till/basket.py"
AGENT, PERSON = "Name the law that asks for this.", "Say which rounding is meant. <b>password=hunter2hunter2</b>"
ELSEWHERE = "A line that nobody changed."


def script() -> list[Rule]:
    """Right at once; the architect says something of a line; what a person says of another is done in the next run."""
    dev, architect = ["Carry the task out now."], (JUDGE, ARCHITECT)
    return [
        *planning(),
        *writing(RIGHT, contains=[*dev, "Say which rounding"]),
        *writing(ALMOST, contains=dev, without=["Say which rounding"]),
        acts(0, "comment", *architect, text=AGENT, path=PATH, line=12),
        acts(1, "comment", *architect, text=ELSEWHERE, path=PATH, line=900),
        gives(2, "approve", "It does what the task asks for.", *architect),
        *verdicts(),
    ]


def sent_back(world: World, story: Story) -> None:
    approval = world.approval(world.task(story))
    assert approval is not None
    said: Any = {
        "decision": "changes",
        "binding_hash": approval.binding_hash,
        "feedback": "See what is said of its lines.",
    }
    with tenant_scope(world.tenant.schema):
        decide_approval(actor=world.owner, approval=approval.number, **said)


def test_remarks_on_lines_stand_in_page_and_api_and_come_back_into_the_next_run(
    make_tenant: Callable[..., TestTenant], residents: tuple[TestTenant, TestTenant]
) -> None:
    world = World.build(make_tenant(), "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with scripted_model(script()):
        story = world.story(**STORY)
        world.settle()
        with tenant_scope(world.tenant.schema):
            first = ChangeRequest.objects.get()
            told = [
                (step.response or {})["text"]
                for step in RunStep.objects.filter(title__startswith="comment").order_by("pk")
            ]
            [by_agent] = ChangeRemark.objects.all()
        assert told == [f"Written on line 12 of {PATH}.", "The change's diff does not show this line."], world.told()
        assert (by_agent.author, by_agent.text, by_agent.commit_sha) == ("agent:alder", AGENT, first.head_sha)
        remark_by_people(world, residents, first)
        sent_back(world, story)
        world.settle()
    with tenant_scope(world.tenant.schema):
        second = ChangeRequest.objects.get()
        kept = RunStep.objects.get(key="remarks").response or {}
        asked = RunStep.objects.filter(run=second.run, key="executor.1").get().request["messages"][1]["content"]
    assert second.head_sha != first.head_sha
    assert next((one["author"], one["path"], one["line"]) for one in kept["remarks"]) == ("Alder", PATH, 12)
    assert "Say which rounding" in asked
    assert "hunter2" not in asked + str(kept)
    assert "Taken back" not in asked + str(kept)
    with tenant_scope(world.tenant.schema):
        mine = ChangeRemark.objects.get(author__startswith="person:")
        assert second.run is not None
        assert mine.read_by == second.run.number, "what an agent has read stays"
        with pytest.raises(Conflict, match="has read this remark"):
            withdraw_remark(actor=world.tenant.member("developer").actor, remark=mine)
    browser = signed_in(world.tenant, world.tenant.member("viewer"))
    page = browser.get(f"/changes/{first.number}/").content.decode()
    assert "Remarks that have no place in it" in page
    assert page.count("outdated") == 2
    assert "Remark on a line" not in page, "a viewer reads"


def remark_by_people(world: World, residents: tuple[TestTenant, TestTenant], change: ChangeRequest) -> None:
    """By the page's form and by API; refused on lines that the diff does not show, on an old commit, and to others."""
    tenant, at = world.tenant, f"/changes/{change.number}/"
    developer, api = tenant.member("developer"), f"/api/v1/changes/{change.number}/remarks/"
    browser, key = signed_in(tenant, developer), program(tenant, tokens_of(tenant, developer)["access"])
    form = {"commit_sha": change.head_sha, "path": PATH, "side": "new", "line": "14", "text": PERSON}
    assert browser.submit(at, form, form_at=at).status_code == 302
    for wrong, status in (({"line": "900"}, 422), ({"path": "ci.py"}, 422), ({"commit_sha": "0" * 40}, 412)):
        refused = browser.submit(at, {**form, **wrong}, form_at=at)
        assert refused.status_code == status, wrong
        assert "meant. &lt;b&gt;password" in refused.content.decode()
    page = browser.get(at).content.decode()
    assert '<tr class="rmk">' in page
    assert "meant. &lt;b&gt;password" in page
    assert "Remarks that have no place" not in page
    assert "waits" in page.partition("What may be done")[2][:600]
    answer = key.get(f"/api/v1/changes/{change.number}/").json()
    assert answer["ci"]["status"] == "passed"
    assert [(one["kind"], one["state"], one["current"]) for one in answer["approvals"]] == [("merge", "pending", True)]
    assert (answer["risk"], float(answer["cost"]) > 0) == ("medium", True)
    said = key.get(api).json()["results"]
    assert [(one["line"], one["outdated"], one["author"].partition(":")[0]) for one in said[:1]] == [
        (14, False, "person")
    ]
    mend_by_people(world, residents, change)
    body = {"commit_sha": change.head_sha, "path": PATH, "line": 900, "text": "Nowhere."}
    assert key.post(api, body, content_type="application/json").status_code == 422
    assert [one["number"] for one in key.get("/api/v1/changes/?project=TILL&state=open").json()["results"]] == [
        change.number
    ]
    assert key.get("/api/v1/changes/?project=SHOP").json()["results"] == []
    assert f'href="{at}"' in browser.get("/changes/?state=open&project=TILL").content.decode()
    assert f'href="{at}"' not in browser.get("/changes/?state=merged").content.decode()
    stranger = residents[0]
    other = program(stranger, tokens_of(stranger, stranger.member("admin"))["access"])
    assert other.get(api).status_code == 404
    assert other.post(api, {**body, "line": 14}, content_type="application/json").status_code == 404
    visitor = signed_in(tenant, tenant.member("client"))
    assert (visitor.get(at).status_code, visitor.get("/changes/").status_code) == (404, 404)


def mend_by_people(world: World, residents: tuple[TestTenant, TestTenant], change: ChangeRequest) -> None:
    """One's own remark is edited and taken back, as one saw it; nobody else's is, and a stranger learns of none."""
    tenant, at = world.tenant, f"/changes/{change.number}/"
    author, other, stranger = tenant.member("developer"), tenant.member("admin"), residents[0]
    key, browser = program(tenant, tokens_of(tenant, author)["access"]), signed_in(tenant, author)
    said = {"commit_sha": change.head_sha, "path": PATH, "line": 13, "text": "Taken back: first."}
    made = key.post(f"/api/v1{at}remarks/", said, content_type="application/json").json()
    place = f"/api/v1{at}remarks/{made['id']}/"
    for who in (program(tenant, tokens_of(tenant, other)["access"]), key):
        assert who.patch(place, {"text": "x"}, content_type="application/json").status_code == 428
        stale = who.patch(place, {"text": "x"}, content_type="application/json", headers={"If-Match": '"v7"'})
        assert stale.status_code == (412 if who is key else 403)
    assert program(tenant, tokens_of(tenant, other)["access"]).delete(place).status_code == 403
    foreign = program(stranger, tokens_of(stranger, stranger.member("admin"))["access"])
    assert (foreign.get(place).status_code, foreign.delete(place).status_code) == (404, 404)
    client = program(tenant, tokens_of(tenant, tenant.member("client"))["access"])
    assert (client.get(place).status_code, client.delete(place).status_code) == (404, 404)
    edited = key.patch(
        place, {"text": "Taken back: second."}, content_type="application/json", headers={"If-Match": '"v1"'}
    )
    assert (edited.status_code, edited.json()["version"], edited.json()["text"]) == (200, 2, "Taken back: second.")
    form = {"act": "edit", "remark": made["id"], "version": 1, "text": "Taken back: third."}
    refused = browser.submit(at, form)
    assert (refused.status_code, "Taken back: third." in refused.content.decode()) == (412, True)
    assert browser.submit(at, {**form, "version": 2}).status_code == 302
    assert browser.submit(at, {**form, "act": "burn"}).status_code == 422
    page = browser.get(at).content.decode()
    assert ("Taken back: third." in page, page.count(">edited<"), page.count("Edit or take back</summary>")) == (
        True,
        1,
        2,
    )
    assert "Edit or take back</summary>" not in signed_in(tenant, other).get(at).content.decode()
    assert browser.submit(at, {**form, "act": "withdraw"}).status_code == 302
    assert key.get(place).status_code == 404
    kinds = kinds_recorded(tenant)
    assert [kinds.count(f"delivery.change.remark_{what}") for what in ("edited", "withdrawn")] == [2, 1]
