"""A client of an organisation, at every address of it: nothing of another client, and nothing that is hidden from them."""

from collections.abc import Callable

import pytest

from guildhall.kernel.tenancy import tenant_scope
from tenants.models import Membership
from tests.api.people import People
from tests.isolation.rooms import WORD, ask, furnish
from tests.support.api_permissions import API_ROWS
from tests.support.clients import signed_in
from tests.support.page_permissions import PAGE_ROWS
from tests.support.tenants import TestTenant
from workflows.actions import create_story
from workflows.actions.comments import write_comment
from workflows.models import Attachment, Comment, Label, Notice, Project, Sprint, Story, Watch

pytestmark = pytest.mark.integration
FOREIGN, HIDDEN, OURS = "FOREIGN-7f", "HIDDEN-7f", "Seen by acme"


@pytest.fixture(scope="module")
def shared(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    """All work of one project is shown to the client brightside, all of another is hidden from its client acme but a story.

    Acme's person followed the hidden story and was told of it while it was shown.
    """
    tenant = make_tenant()
    furnish(tenant, FOREIGN, ["SHOP"])
    furnish(tenant, HIDDEN, ["ONE"])
    ruth, owner = tenant.actor("client"), tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        Membership.objects.filter(roles=["client"]).update(client="acme")
        Project.objects.filter(key="SHOP").update(client="brightside")
        Project.objects.filter(key="ONE").update(client="acme", name="Acme")
        for model in (Story, Comment, Attachment):
            shown = {"project__key": "SHOP"} if model is Story else {"story__project__key": "SHOP"}
            model.objects.filter(**shown).update(client_visible=True)
        hidden = Story.objects.get(project__key="ONE")
        Watch.objects.create(story=hidden, person=ruth.ref)
        Notice.objects.create(
            person=ruth.ref, kind="comment", story=hidden, sentence=f"{WORD} {HIDDEN}", actor=owner.ref
        )
        project = Project.objects.get(key="ONE")
        content = {"title": f"{WORD} {OURS}", "client_visible": True, "depends_on": [hidden.reference]}
        ours = create_story(actor=owner, project=project, content=content)  # type: ignore[arg-type]
        ours.labels.add(Label.objects.create(name=f"{HIDDEN} angry"))
        sprint = Sprint.objects.filter(project=project).order_by("-id")[0]
        Story.objects.filter(pk=ours.pk).update(sprint=sprint, assignee=owner.ref, assignee_name=f"{HIDDEN} owner")
        write_comment(actor=owner, item=ours, text=f"{WORD} {HIDDEN} between us")
        write_comment(actor=owner, item=ours, text=f"{WORD} {OURS}", client_visible=True)
    return tenant


def test_a_client_comes_upon_nothing_but_its_own(shared: TestTenant) -> None:
    browser = signed_in(shared, shared.member("client"))
    said = [*ask(People(shared).client.client, API_ROWS, shared), *ask(browser, PAGE_ROWS, shared)]
    assert [text for text in said if FOREIGN in text or HIDDEN in text] == []
    seen = {text.partition(" ")[0] for text in said if OURS in text}
    assert {"api/v1/stories/", "api/v1/stories/export/?as=csv", "stories/export/?as=json", "stories/"} <= seen


def test_what_a_client_is_told_in_numbers_counts_its_own_alone(shared: TestTenant) -> None:
    client = People(shared).client
    assert len(client.get("stories/", search=WORD)["results"]) == 1
    assert client.get("inbox/")["results"] == []
    for name in ("tasks", "runs", "changes", "councils", "strategies", "epics", "sprints", "decisions", "ci-runs"):
        assert client.get(f"{name}/")["results"] == [], name
    assert client.get("labels/") in ([], {"results": [], "next": None, "previous": None})


def test_a_client_finds_out_nothing_of_the_teams_about_its_own_story(shared: TestTenant) -> None:
    client = People(shared).client
    (listed,) = client.get("stories/", search=OURS)["results"]
    told = client.get(f"stories/{listed['reference']}/")
    for shown in (listed, told):
        assert (shown["sprint"], shown["epic"], shown["strategy"], shown["assignee"], shown["labels"]) == (
            None, None, None, "", [],
        )  # fmt: skip
    assert (told["depends_on"], told["allowed_actions"]) == ([], []), "names of hidden stories, reasons with limits"
    with tenant_scope(shared.schema):
        story = Story.objects.get(reference=told["reference"])
        label, sprint = story.labels.get().pk, story.sprint_id
    for name, value in (
        ("label", "99999"),
        ("label", label),
        ("sprint", sprint),
        ("sprint", "99999"),
        ("assignee", "none"),
    ):
        assert len(client.get(f"stories/?{name}={value}")["results"]) == 1, "a filter tells nothing apart"
    project = client.get("projects/ONE/")
    assert (project["ci_command"], project["repositories"], project["environments"]) == ("", [], [])
    assert client.get("projects/ONE/repositories/") == []
