"""Whoever acts says what they saw: what has changed since is refused. And what a rejection and a sprint's page offer."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from tests.support.clients import Browser, program, signed_in, tokens_of
from tests.support.tenants import TestTenant
from workflows.actions import add_repository, create_epic, open_sprint
from workflows.actions.labels import create_label, set_labels
from workflows.models import Label, ProjectRepository, Sprint, Story, Task
from workflows.tests.world import World

pytestmark = pytest.mark.integration
NEW_TASK = {"title": "Tell them", "role": "devops", "size": "S", "risk": "low"}


@pytest.fixture
def world(make_tenant: Callable[..., TestTenant]) -> World:
    return World(make_tenant())


def put(world: World, row: Any, **columns: Any) -> None:
    """Bring a row there by the shortest way."""
    with world.tenant.scope():
        type(row).objects.filter(pk=row.pk).update(**columns)


def test_a_rejection_adds_a_task_when_no_other_is_left(world: World) -> None:
    owner = signed_in(world.tenant, world.tenant.member("product_owner"))
    story = world.write()
    with world.tenant.scope():
        Task.objects.create(
            story=story, number=1, reference=f"{story.reference}.1", rank=1, title="One", role="developer", size="S",
            risk="low", state="cancelled",
        )  # fmt: skip
    put(world, story, state="ready_to_review", tasks_made=1)
    place = f"/stories/{story.reference}/"
    page = owner.get(place).content.decode()
    assert 'name="add_title"' in page
    said = {"act": "reject_result", "feedback": "The invoice is still wrong.", "add_role": "devops", "add_size": "S"}
    assert owner.submit(place, {**said, "add_risk": "low", "add_title": ""}).status_code == 422
    short = owner.submit(place, {**said, "add_risk": "low", "add_title": "No"})
    assert (short.status_code, 'value="No"' in short.content.decode()) == (422, True)
    sent = {**said, "add_risk": "low", "add_title": "Check the invoice", "add_acceptance": "It is right\nIt is sent"}
    answer = owner.submit(place, sent)
    assert answer.status_code == 302, answer.content.decode().split('id="act-problem"')[-1][:600]
    with world.tenant.scope():
        made = Task.objects.get(number=2)
        assert (made.title, made.role, made.acceptance) == (
            "Check the invoice",
            "devops",
            ["It is right", "It is sent"],
        )
        assert Story.objects.get().state == "in_progress"


def test_what_has_changed_since_it_was_seen_is_refused(world: World) -> None:
    owner = world.tenant.member("product_owner")
    browser = signed_in(world.tenant, owner)
    api = program(world.tenant, tokens_of(world.tenant, owner)["access"])
    story = world.write()
    with world.tenant.scope():
        sprint = open_sprint(actor=world.po, project=world.project, content={"name": "First"})
        epics = [create_epic(actor=world.po, project=world.project, title=title) for title in ("A", "B")]
        add_repository(actor=world.po, project=world.project, name="docs", ci_command="true")
        world.project.refresh_from_db()
        labels = [create_label(actor=world.po, name=name) for name in ("one", "two")]
    put(world, story, state="planned", version=4)
    stale, project = {"If-Match": '"v3"'}, "/api/v1/projects/SHOP/"
    json: Any = {"content_type": "application/json"}
    shop = f'"v{world.project.version}"'
    asked: list[tuple[str, str, Any]] = [
        ("post", f"/api/v1/sprints/{sprint.pk}/stories/", {"story": story.reference}),
        ("put", f"/api/v1/stories/{story.reference}/labels/", {"labels": [labels[0].pk]}),
        (
            "post",
            f"/api/v1/stories/{story.reference}/tasks/",
            {**NEW_TASK, "acceptance": [], "depends_on": []},
        ),
        ("post", f"/api/v1/stories/{story.reference}/transitions/", {"name": "commit_to_sprint", "version": 4}),
        ("put", f"{project}epics/order/", {"order": [epics[1].pk, epics[0].pk]}),
        ("post", f"{project}repositories/", {"name": "more", "ci_command": "true"}),
        ("patch", f"{project}repositories/docs/", {"ci_command": "false"}),
        ("delete", f"{project}repositories/docs/", {}),
    ]
    for version in ('"v0"', '"v99"'):
        stale = {"If-Match": version}
        got = [getattr(api, method)(path, body, headers=stale, **json).status_code for method, path, body in asked]
        assert got == [412] * len(asked), (version, got)
    assert api.put(asked[4][1], asked[4][2], headers={"If-Match": shop}, **json).status_code == 200
    assert api.put(asked[4][1], asked[4][2], headers={"If-Match": shop}, **json).status_code == 412, "somebody ordered"
    bulk = {"stories": [story.reference], "do": "priority", "value": "urgent"}
    outcome = api.post("/api/v1/stories/bulk/", {**bulk, "versions": {story.reference: 3}}, **json).json()["results"]
    assert [row["status"] for row in outcome] == [412]
    _by_pages(world, browser, api, story, sprint, labels)


def _by_pages(world: World, browser: Browser, api: Client, story: Story, sprint: Sprint, labels: list[Label]) -> None:
    place, page = f"/stories/{story.reference}/", f"/sprints/{sprint.pk}/"
    seen = f"{story.reference}:4"
    assert f'value="{seen}"' in browser.get("/stories/?view=list").content.decode()
    held = browser.submit("/stories/bulk/", {"do": "priority:high", "story": story.reference, "seen": f"{seen[:-1]}3"})
    assert "It was changed meanwhile" in held.content.decode()
    forms = re.findall(
        r'name="story" value="SHOP-1"><input type="hidden" name="version" value="(\d+)"',
        browser.get(page).content.decode(),
    )
    assert forms == ["4"]
    commit = {"act": "commit", "story": story.reference, "version": "3"}
    assert browser.submit(page, commit).status_code == 412
    assert browser.submit(f"{place}assign/", {"assignee": "", "version": "3"}, form_at=place).status_code == 412
    assert (
        browser.submit(
            f"{place}tasks/new/", {"title": "More", "role": "devops", "size": "S", "risk": "low", "story_version": "3"}
        ).status_code
        == 412
    )
    settings = "/settings/projects/SHOP/"
    old = {"act": "change", "repository": "docs", "ci_command": "false", "default_branch": "main", "version": "1"}
    assert browser.submit(settings, old).status_code == 412
    with world.tenant.scope():
        assert ProjectRepository.objects.get(name="docs").ci_command == "true"
        set_labels(actor=world.po, item=story, add=[labels[0]])
    # The form was opened before the first label was put on: it takes nothing off that it did not show.
    assert browser.submit(f"{place}labels/", {"label": [str(labels[1].pk)]}, form_at=place).status_code == 302
    told = api.get(f"/api/v1{page}activity/").json()
    assert [row["kind"] for row in told] == ["planning.sprint.opened"]
    assert "opened First" in browser.get(page).content.decode().partition('id="sprint-activity"')[2]
    with world.tenant.scope():
        assert sorted(story.labels.values_list("name", flat=True)) == ["one", "two"]
        version = Story.objects.get().version
    assert browser.submit(page, {**commit, "version": str(version)}).status_code == 302
    listed = (
        program(world.tenant, tokens_of(world.tenant, world.tenant.member("product_owner"))["access"])
        .get(f"/api/v1{page}stories/")
        .json()
    )
    assert [row["labels"] for row in listed] == [["one", "two"]]
    assert browser.submit(page, {"act": "take_out", "story": story.reference, "version": "1"}).status_code == 412


def test_a_claim_is_kept_longer_by_whoever_holds_it_alone(world: World) -> None:
    _, (task,) = world.committed()
    holder, place = world.tenant.member("developer"), f"/tasks/{task.reference}/"
    browser, other = signed_in(world.tenant, holder), world.tenant.member("data")
    api = program(world.tenant, tokens_of(world.tenant, other)["access"])
    assert browser.submit(place, {"act": "renew_claim"}).status_code == 409
    assert browser.submit(place, {"act": "claim_task"}).status_code == 302
    assert "Keep it longer" in browser.get(place).content.decode()
    with world.tenant.scope():
        Task.objects.update(lease_until=Now() + timedelta(minutes=5))
        soon = Task.objects.get().lease_until
        assert soon is not None
    assert browser.submit(place, {"act": "renew_claim"}).status_code == 302
    assert api.post(f"/api/v1{place}renew/").status_code == 409
    own = program(world.tenant, tokens_of(world.tenant, holder)["access"])
    assert own.post(f"/api/v1{place}renew/").json()["holder"] == holder.actor.ref
    with world.tenant.scope():
        until = Task.objects.get().lease_until
        assert until is not None
        assert until - soon > timedelta(hours=7)


def test_the_most_urgent_wait_first_and_none_is_left_out(world: World) -> None:
    browser = signed_in(world.tenant, world.tenant.member("product_owner"))
    first = world.write(title="Waits 0", priority="low")
    with world.tenant.scope():
        sprint = open_sprint(actor=world.po, project=world.project, content={"name": "First"})
        rows = []
        for number in range(2, 60):
            priority = ("high", "", "urgent", "normal", "low")[number % 5]
            row = Story.objects.get(pk=first.pk)
            row.pk, row.number, row.reference = None, number, f"SHOP-{number}"
            row.title, row.priority = f"Waits {number}", priority
            rows.append(row)
        Story.objects.bulk_create(rows)
        Story.objects.filter(project=world.project).update(state="planned")
    shown = [
        re.findall(r'/stories/SHOP-(\d+)/"', browser.get(f"/sprints/{sprint.pk}/?page={page}").content.decode())
        for page in (1, 2)
    ]
    ranks = {1: 1, **{number: (3, 0, 4, 2, 1)[number % 5] for number in range(2, 60)}}
    order = [int(number) for number in shown[0] + shown[1]]
    assert order == sorted(ranks, key=lambda number: (-ranks[number], number))
    assert (len(shown[0]), len(shown[1])) == (50, 9)
