"""What is worked out at a desk, by forms and by the API: incidents from evidence to their end, and proposals about a backlog."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from governance.selectors import latest_approval
from gpu_workers.models import Incident, Proposal
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.support.clients import Browser, signed_in
from tests.support.incidents import competent, seeded_incidents
from tests.support.pump import settle
from tests.support.tenants import TestTenant
from tests.support.world import scripted_model
from workflows.actions import create_project, create_story

pytestmark = pytest.mark.integration
DISK = next(seeded for seeded in seeded_incidents() if seeded.name == "disk-full")
NOTE = "The volume has room again."
NO = "Not now, thank you."


@pytest.fixture(scope="module")
def shop(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    """A project with one story that waits."""
    tenant = make_tenant()
    with tenant_scope(tenant.schema):
        owner = tenant.actor("product_owner")
        project = create_project(actor=owner, key="SHOP", name="Shop", repository="shop", ci_command="true")
        create_story(actor=owner, project=project, content={"title": "Pay by card", "brief": "Shoppers ask for it."})
    return tenant


def refused(browser: Browser, path: str, form: dict[str, Any], status: int) -> str:
    """The page that a form comes back on."""
    answer = browser.submit(path, form)
    text = str(answer.content.decode())
    assert answer.status_code == status, text[:3000]
    return text


def led(browser: Browser, path: str, form: dict[str, Any]) -> str:
    """The page that a form leads to."""
    answer = browser.submit(path, form)
    assert answer.status_code == 302, answer.content.decode()[:3000]
    return str(browser.get(answer["Location"]).content.decode())


def open_one(browser: Browser) -> str:
    """The address of the seeded incident, opened by its form; it is refused with a part alone, and nothing typed is lost."""
    known = DISK.asked
    typed = {"project": "SHOP", "title": known.title, "description": known.description, "severity": known.severity}
    text = refused(browser, "/incidents/new/", {**typed, "parts": known.parts[0]}, 422)
    assert all(one in text for one in ("Name 2 to 30 parts", known.title, known.description))
    answer = browser.submit("/incidents/new/", {**typed, "parts": "\n".join(known.parts)})
    assert answer.status_code == 302, answer.content.decode()[:3000]
    return str(answer["Location"])


def test_an_incident_is_brought_to_a_remedy_by_forms_and_its_end_takes_the_question_back(shop: TestTenant) -> None:
    ops, viewer = (signed_in(shop, shop.member(role)) for role in ("devops", "viewer"))
    at, known = open_one(ops), DISK.asked
    assert "Bring evidence first" in refused(ops, at, {"act": "triage"}, 409)
    assert "Choose a text file" in refused(ops, at, {"act": "evidence", "kind": "log"}, 422)
    for file in known.files:
        sent = SimpleUploadedFile(file.name, DISK.files[file.name])
        page = led(ops, at, {"act": "evidence", "kind": file.kind, "file": sent})
        assert f"{file.name} is kept with {DISK.files[file.name].count(10)} lines." in page
    assert "A triage is asked for" in led(ops, at, {"act": "triage"})
    with scripted_model(competent(DISK)):
        settle(shop.schema)
    page = viewer.get(at).content.decode()
    proof = known.proof[0]
    assert all(one in page for one in (f"{known.failed} failed", proof.quote, known.remedy, "Remedy proposed"))
    assert 'name="act"' not in page
    with tenant_scope(shop.schema):
        incident = Incident.objects.get(title=known.title)
        asked = latest_approval(incident.ref, kind="agent_action")
        report = incident.reports.get()
        log = incident.evidence.get(name=proof.file)
    assert asked is not None
    question = f"/approvals/{asked.number}/"
    assert question in page
    owner = signed_in(shop, shop.member("product_owner"))
    decided_by = owner.get(question).content.decode()
    shown = (known.remedy, known.command, report.cause, proof.quote, f'href="/runs/{report.run}/"', f'href="{at}"')
    assert [one for one in shown if one not in decided_by] == []
    assert f'href="{at}evidence/{log.pk}/?line={proof.line}#L{proof.line}"' in decided_by
    assert "deploys and runs nothing by it" in decided_by
    assert 'id="decision-form"' in decided_by

    refused(viewer, at, {"act": "close", "note": NOTE}, 403)
    short = refused(ops, at, {"act": "close", "note": "It is"}, 422)
    assert ("Say how it ended" in short, ">It is</textarea>" in short) == (True, True)
    closed = led(ops, at, {"act": "close", "note": NOTE})
    assert all(one in closed for one in ("The incident is closed.", NOTE, "Remedy withdrawn"))
    assert "is closed" in refused(ops, at, {"act": "triage"}, 409)
    settle(shop.schema)
    with tenant_scope(shop.schema):
        after = latest_approval(incident.ref, kind="agent_action")
    assert after is not None
    assert (after.state, "The incident is closed." in owner.get(question).content.decode()) == ("void", True)
    assert 'id="decision-form"' not in owner.get(question).content.decode()


def test_an_incident_is_opened_shown_and_closed_by_the_api(shop: TestTenant) -> None:
    people = People(shop)
    ops = people.devops
    wish = {"project": "SHOP", "title": "Receipts are white", "parts": ["till", "printer"]}
    people.viewer.post("incidents/", wish, 403)
    made = ops.post("incidents/", wish, 201)
    assert (made["state"], made["severity"], made["parts"], made["approval"]) == (
        "open", "medium", ["till", "printer"], None,
    )  # fmt: skip
    at = f"incidents/{made['id']}/"
    ops.post(f"{at}triage/", {}, 409)
    key = "AKIA" + "Q3EGRIGXUJ5PL7QA"
    text = f"aws {key}\npaper jam\n" + "x" * 3000 + "\ny" * 600
    sent = {"kind": "log", "file": SimpleUploadedFile("till.log", text.encode())}
    brought = ops.client.post(f"/api/v1/{at}evidence/", sent)
    assert (brought.status_code, brought.json()["lines"]) == (201, 603), brought.content
    file = f"{at}evidence/{brought.json()['id']}/"
    first, last = people.viewer.get(file), people.viewer.get(file, line=501)
    assert ([line["number"] for line in first["read"]], first["next"]) == ([*range(1, 501)], 501)
    said = [line["text"] for line in first["read"][:3]]
    assert (key in said[0], said[1], len(said[2]), last["read"][-1], last["next"]) == (
        False, "paper jam", 2000, {"number": 603, "text": "y"}, None,
    )  # fmt: skip
    assert (people.viewer.get(file, line=604)["read"], last["name"], last["lines"]) == ([], "till.log", 603)
    people.viewer.get(file, 422, line=0)
    people.client.get(file, 404)
    other = ops.post("incidents/", {**wish, "title": "Receipts are black"}, 201)
    ops.get(f"incidents/{other['id']}/evidence/{brought.json()['id']}/", 404)
    asked = ops.post(f"{at}triage/", {}, 202)
    assert (asked["wanted"], [file["name"] for file in asked["evidence"]]) == (True, ["till.log"])
    ops.post(f"{at}close/", {"note": "Over"}, 422)
    closed = ops.post(f"{at}close/", {"note": NOTE})
    assert (closed["state"], closed["wanted"], closed["closing_note"]) == ("closed", False, NOTE)
    assert people.viewer.get(at) == closed
    ops.post(f"{at}close/", {"note": NOTE}, 409)


def test_proposals_are_asked_for_and_decided_by_forms_and_by_the_api(shop: TestTenant) -> None:
    owner, people = signed_in(shop, shop.member("product_owner")), People(shop)
    wish = {"project": "SHOP", "kind": "roadmap", "wish": "Paying comes first.", "capacity": "many"}
    again = refused(owner, "/proposals/", wish, 422)
    assert all(one in again for one in ("Give a whole number of points.", "Paying comes first.</textarea>"))
    page = led(owner, "/proposals/", {**wish, "capacity": "5"})
    assert all(one in page for one in ("Nothing changes before you accept it", "Paying comes first.", "5 points"))
    with tenant_scope(shop.schema):
        asked = Proposal.objects.get()
    at = f"/proposals/{asked.pk}/"
    assert (asked.kind, asked.capacity, at in owner.get("/proposals/").content.decode()) == ("roadmap", 5, True)
    assert "there is nothing to decide" in refused(owner, at, {"decision": "accept"}, 409)
    assert "Give 10 to 2000 characters." in refused(owner, at, {"decision": "reject", "feedback": "No"}, 422)
    refused(signed_in(shop, shop.member("viewer")), at, {"decision": "reject", "feedback": NO}, 403)
    decided = led(owner, at, {"decision": "reject", "feedback": NO})
    assert all(one in decided for one in ("It is decided.", "Decided by Product Owner", NO))

    order = {"project": "SHOP", "kind": "order"}
    people.viewer.post("proposals/", order, 403)
    people.product_owner.post("proposals/", {**order, "capacity": 0}, 422)
    made = people.product_owner.post("proposals/", order, 201)
    people.product_owner.post("proposals/", order, 409)
    with tenant_scope(shop.schema):
        Proposal.objects.filter(pk=made["id"]).update(shown={"left_out": 7})
    place = f"proposals/{made['id']}/"
    people.viewer.post(f"{place}decision/", {"decision": "reject", "feedback": NO}, 403)
    assert "; 7 more were not." in owner.get(f"/{place}").content.decode()
    verdict = people.product_owner.post(f"{place}decision/", {"decision": "reject", "feedback": NO})
    assert (made["state"], verdict["state"], verdict["feedback"]) == ("asked", "rejected", NO)
    assert (made["left_out"], verdict["left_out"]) == (0, 7), "whoever decides is told what the agent was not shown"
    assert people.viewer.get(place) == verdict
    people.product_owner.post(f"{place}decision/", {"decision": "reject", "feedback": NO}, 409)
