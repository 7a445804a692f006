"""The planning API: what may be done is said, stale and foreign requests change nothing, lists are narrowed."""

from collections.abc import Callable

import pytest
from django.conf import settings

from guildhall.evidence.models import AuditEntry
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.support.tenants import TestTenant
from workflows.actions import create_project, create_story
from workflows.models import Decision, Story, Strategy

pytestmark = pytest.mark.integration
SCHEDULE = {"cron": "0 9 * * MON", "timezone": "Europe/Berlin", "template": {"title": "Review {date}"}}


@pytest.fixture(scope="module")
def people(make_tenant: Callable[..., TestTenant]) -> People:
    tenant = make_tenant()
    owner = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        for key in ("SHOP", "TILL"):
            project = create_project(actor=owner, key=key, name=key, repository=key.lower(), ci_command="true")
            create_story(actor=owner, project=project, content={"title": "Pay by card"})
    return People(tenant)


def allowed(answer: dict[str, object]) -> set[str]:
    offers = answer["allowed_actions"]
    assert isinstance(offers, list)
    return {offer["action"] for offer in offers if offer["allowed"]}


def test_a_strategy_from_its_goal_to_its_end(people: People) -> None:
    owner = people.product_owner
    goal = {"project": "SHOP", "goal": "Sell more.\nMuch more.", "budget_usd": "5"}
    made = owner.answer("POST", "strategies/", goal, idempotency_key="s-1")
    again = owner.answer("POST", "strategies/", goal, idempotency_key="s-1")
    assert (made.status_code, again.json()["id"]) == (201, made.json()["id"])
    path = f"strategies/{made.json()['id']}/"
    assert made.json()["title"] == "Sell more."
    assert allowed(made.json()) == {"edit", "set_schedule", "pause", "end"}
    assert allowed(people.viewer.get(path)) == set()
    owner.send("PATCH", path, {"title": "Sales"}, 428)
    owner.send("PATCH", path, {"title": "Sales"}, 200, if_match=made["ETag"])
    owner.send("PATCH", path, {"title": "Sale"}, 412, if_match=made["ETag"])
    owner.send("PATCH", path, {"autonomy": "L9"}, 422, if_match="*")
    people.developer.send("PATCH", path, {"title": "Mine"}, 403, if_match="*")
    bad = owner.send("PUT", f"{path}schedule/", {**SCHEDULE, "cron": "* * * * *"}, 422)
    assert "cron" in bad["fields"]
    planned = owner.send("PUT", f"{path}schedule/", SCHEDULE)
    assert planned["schedule"]["words"].startswith("At 09:00")
    assert planned["next_at"] == planned["schedule"]["next_at"]
    assert owner.get(f"{path}runs/")["results"] == []
    owner.post(f"{path}transitions/", {"name": "explode"}, 422)
    people.architect.post(f"{path}transitions/", {"name": "pause"}, 403)
    owner.post(f"{path}transitions/", {"name": "pause"})
    owner.post(f"{path}transitions/", {"name": "pause"}, 409)
    assert owner.send("DELETE", f"{path}schedule/", {}, 204) is None
    ended = owner.post(f"{path}transitions/", {"name": "end", "reason": "Reached."})
    assert (ended["state"], allowed(ended)) == ("ended", set())
    assert [row["state"] for row in owner.get("strategies/", state="ended")["results"]] == ["ended"]
    assert owner.get("strategies/", project="TILL")["results"] == []


def test_epics_keep_their_order_and_close_when_their_stories_are_finished(people: People) -> None:
    owner = people.product_owner
    ids = [owner.post("epics/", {"project": "SHOP", "title": f"Epic {n}"}, 201)["id"] for n in range(3)]
    owner.send("PUT", "projects/SHOP/epics/order/", {"order": ids[:2]}, 422)
    owner.send("PUT", "projects/SHOP/epics/order/", {"order": ids[::-1]})
    listed = [row["id"] for row in owner.get("epics/", project="SHOP", ordering="rank")["results"]]
    assert listed == ids[::-1]
    foreign = owner.post("strategies/", {"project": "TILL", "goal": "Another project's."}, 201)["id"]
    owner.send("PATCH", f"epics/{ids[0]}/", {"strategy": foreign}, 422, if_match="*")
    with tenant_scope(people.tenant.schema):
        Story.objects.filter(reference="SHOP-1").update(epic=ids[0])
    told = owner.get(f"epics/{ids[0]}/")
    assert told["stories_by_state"] == {"draft": 1}
    assert "close" not in allowed(told)
    refused = owner.post(f"epics/{ids[0]}/transitions/", {"name": "close"}, 409)
    assert "SHOP-1" in refused["detail"]
    assert owner.post(f"epics/{ids[1]}/transitions/", {"name": "close"})["state"] == "closed"
    owner.post("stories/", {"project": "SHOP", "title": "Too late", "epic": ids[1]}, 422)
    assert owner.post(f"epics/{ids[1]}/transitions/", {"name": "reopen"})["state"] == "open"


def test_the_stories_of_an_epic_keep_their_order(people: People) -> None:
    """Everybody names all of them; over an older version of the epic one is told; a new story comes last."""
    owner = people.product_owner
    epic = owner.post("epics/", {"project": "SHOP", "title": "Ordered"}, 201)["id"]
    path, wanted = f"epics/{epic}/stories/order/", {"project": "SHOP", "epic": epic}
    first, second, third = (
        owner.post("stories/", {**wanted, "title": title}, 201)["reference"] for title in ("One", "Two", "Three")
    )

    def order() -> list[str]:
        return [row["reference"] for row in owner.get("stories/", epic=str(epic), ordering="epic_rank")["results"]]

    assert order() == [first, second, third]
    lacking = owner.send("PUT", path, {"order": [third, first]}, 422)
    assert lacking["fields"]["order"] == [f"Missing: {second}."]
    strange = owner.send("PUT", path, {"order": [third, first, second, "TILL-1"]}, 422)
    assert strange["fields"]["order"] == ["Not of it: TILL-1."]
    owner.send("PUT", path, {"order": [third, first, first]}, 422)
    people.developer.send("PUT", path, {"order": [third, first, second]}, 403)
    put = owner.answer("PUT", path, {"order": [third, first, second]}, if_match='"v1"')
    assert [row["reference"] for row in put.json()] == order() == [third, first, second]
    owner.send("PUT", path, {"order": [first, second, third]}, 412, if_match='"v1"')
    owner.send("PUT", path, {"order": [first, third, second]}, 200, if_match=put["ETag"])
    owner.send("PATCH", f"stories/{first}/", {"epic": None}, 200, if_match="*")
    owner.send("PATCH", f"stories/{first}/", {"epic": epic}, 200, if_match="*")
    assert order() == [third, second, first]


def test_a_story_is_moved_to_another_epic_and_strategy(people: People) -> None:
    """The same rules when it is written and when it is edited; a version that was read before is stale."""
    owner = people.product_owner

    def made(kind: str, **body: object) -> int:
        return int(owner.send("POST", kind, {"project": "SHOP", **body}, 201)["id"])

    sales, trust = made("strategies/", goal="Sell more."), made("strategies/", goal="Be trusted.")
    cards, refunds = made("epics/", title="Cards", strategy=sales), made("epics/", title="Refunds")
    closed = made("epics/", title="Cash")
    owner.post(f"epics/{closed}/transitions/", {"name": "close"})
    ended = made("strategies/", goal="Mail orders.")
    owner.post(f"strategies/{ended}/transitions/", {"name": "end"})
    foreign = owner.send("POST", "epics/", {"project": "TILL", "title": "Drawers"}, 201)["id"]
    title = {"project": "SHOP", "title": "Pay by card"}
    for place, field in (
        ({"epic": closed}, "epic"),
        ({"epic": foreign}, "epic"),
        ({"strategy": ended}, "strategy"),
        ({"epic": cards, "strategy": trust}, "strategy"),
    ):
        assert field in owner.send("POST", "stories/", {**title, **place}, 422)["fields"]
    story = owner.answer("POST", "stories/", {**title, "epic": cards})
    assert (story.json()["epic"], story.json()["strategy"]) == (cards, sales)
    path, score = f"stories/{story.json()['reference']}/", story.json()["dor_score"]

    def moved(status: int = 200, **place: int | None) -> tuple[int | None, int | None]:
        answer = owner.send("PATCH", path, place, status, if_match="*")
        return (answer["epic"], answer["strategy"]) if status == 200 else (None, None)

    assert moved(epic=refunds) == (refunds, sales), "an epic without a strategy leaves the story's own"
    owner.send("PATCH", path, {"epic": cards}, 412, if_match=story["ETag"])
    owner.send("PATCH", path, {"epic": cards}, 428)
    assert moved(epic=refunds, strategy=trust) == (refunds, trust)
    assert moved(epic=cards) == (cards, sales)
    for place in ({"epic": closed}, {"epic": foreign}, {"strategy": ended}, {"strategy": trust}):
        moved(422, **place)
    moved(404, epic=10**6)
    assert moved(epic=None) == (None, sales)
    assert moved(strategy=None) == (None, None)
    owner.send("PATCH", path, {"epic": cards, "title": "Pay with any card"}, 200, if_match="*")
    assert owner.get(path)["dor_score"] >= score
    people.viewer.send("PATCH", path, {"epic": refunds}, 403, if_match="*")
    edits = [line["sentence"] for line in owner.get(f"{path}activity/") if line["kind"] == "planning.story.edited"]
    assert "(epic, strategy, title)" in edits[0]
    owner.post(f"epics/{cards}/transitions/", {"name": "close"}, 409)


def test_a_project_has_several_repositories_and_one_primary(people: People) -> None:
    owner, path = people.product_owner, "projects/TILL/repositories/"
    owner.post(path, {"name": "../../etc", "ci_command": "true"}, 422)
    owner.post(path, {"name": "till-app", "ci_command": "make test"}, 201)
    owner.post(path, {"name": "till-app", "ci_command": "make test"}, 409)
    owner.send("DELETE", f"{path}till/", {}, 409)
    owner.send("PATCH", f"{path}till/", {"primary": False}, 422)
    owner.send("PATCH", f"{path}till-app/", {"primary": True, "default_branch": "trunk"})
    told = owner.get("projects/TILL/")
    assert (told["repository"], told["default_branch"]) == ("till-app", "trunk")
    assert [row["primary"] for row in told["repositories"]] == [False, True]
    owner.send("DELETE", f"{path}till/", {}, 204)
    owner.send("PATCH", "projects/TILL/", {"environments": ["staging", "staging"]}, 422, if_match="*")
    changed = owner.send("PATCH", "projects/TILL/", {"environments": ["staging", "live"]}, if_match="*")
    assert changed["environments"] == ["staging", "live"]


def test_a_project_says_what_its_ci_may_take_within_what_the_installation_allows(people: People) -> None:
    owner, path, ceiling = people.product_owner, "projects/SHOP/repositories/shop/", settings.COMMAND_SECONDS
    none = {"seconds": None, "cpu_seconds": None, "memory_mib": None, "disk_mib": None}
    assert owner.get("projects/SHOP/")["repositories"][0]["ci_limits"] == none
    people.developer.send("PATCH", path, {"ci_limits": {"seconds": 60}}, 403)
    for wrong, why in (
        (
            {"seconds": ceiling + 1},
            f"Time: give 10 to {ceiling} seconds, or nothing for the {ceiling} of this installation.",
        ),
        ({"memory_mib": 1}, "give 256 to 2048 MiB"),
        ({"disk_mib": 0}, "greater than or equal to 1"),
        ({"memory": 512}, "there are seconds, cpu_seconds, memory_mib, disk_mib"),
        ([60], "Expected a dictionary"),
    ):
        refused = owner.send("PATCH", path, {"ci_limits": wrong, "ci_command": "make all"}, 422)
        assert why in str(refused), refused
    assert owner.get("projects/SHOP/")["ci_command"] == "true", "nothing was half written"
    told = owner.send("PATCH", path, {"ci_limits": {"seconds": 60, "disk_mib": 100, "memory_mib": None}})
    assert told["ci_limits"] == {**none, "seconds": 60, "disk_mib": 100}
    assert owner.send("PATCH", path, {"ci_command": "make"})["ci_limits"] == told["ci_limits"]
    told = owner.send("PATCH", path, {"ci_limits": {"seconds": 90}})
    assert told["ci_limits"] == {**none, "seconds": 90}, "what is left out is the installation's again"
    with tenant_scope(people.tenant.schema):
        told = AuditEntry.objects.filter(subject="project:SHOP").select_related("payload").latest("id").payload.body
        assert told["after"]["ci_limits"] == {"seconds": 90}
        assert told["before"]["ci_limits"] == {"seconds": 60, "disk_mib": 100}


def test_decisions_are_proposed_decided_and_superseded(people: People, other_tenant: TestTenant) -> None:
    owner = people.product_owner
    said = {"kind": "design", "title": "Pages", "rationale": "Short.", "affects": ["story:SHOP-1", "strategy:1"]}
    for strange in (["story:NONE-1"], ["council:999999"], ["run:12"], ["planet:1"], ["strategy:99999999999999"]):
        bad = people.developer.post("decisions/", {**said, "affects": strange}, 422)
        assert "affects" in bad["fields"]
    rest = {**said, "affects": ["story:SHOP-1"], "alternatives": [{"title": "One page", "why_not": "Too long."}]}
    first = people.developer.post("decisions/", rest, 201)["id"]
    assert owner.get("decisions/", affects="story:SHOP-1")["results"][0]["alternatives"] == rest["alternatives"]
    people.architect.send("PATCH", f"decisions/{first}/", {"title": "Mine now"}, 403, if_match="*")
    people.developer.send("PATCH", f"decisions/{first}/", {"title": "Short pages"}, if_match='"v1"')
    people.developer.post(f"decisions/{first}/verdict/", {"approve": True}, 403)
    owner.post(f"decisions/{first}/verdict/", {"approve": False, "feedback": "no"}, 422)
    owner.post(f"decisions/{first}/verdict/", {"approve": True}, 412, if_match='"v1"')
    decided = owner.post(f"decisions/{first}/verdict/", {"approve": True})
    assert (decided["proposed_by_name"], decided["decided_by_name"]) == ("Developer", "Product Owner")
    owner.post(f"decisions/{first}/verdict/", {"approve": True}, 409)
    second = owner.post("decisions/", {**rest, "title": "One page after all"}, 201)["id"]
    owner.post(f"decisions/{first}/supersede/", {"by": second}, 422)
    owner.post(f"decisions/{second}/verdict/", {"approve": True})
    owner.post(f"decisions/{second}/supersede/", {"by": first}, 422)
    owner.post(f"decisions/{first}/supersede/", {"by": first}, 422)
    assert owner.post(f"decisions/{first}/supersede/", {"by": second})["superseded_by"] == second
    owner.post(f"decisions/{first}/supersede/", {"by": second}, 409)
    assert [row["id"] for row in owner.get("decisions/", in_force="true")["results"]] == [second]
    assert owner.get("decisions/", q="after all", verdict="rejected")["results"] == []
    stranger = People(other_tenant)
    for path in (f"decisions/{first}/", "strategies/1/", "epics/1/", "projects/SHOP/"):
        stranger.product_owner.get(path, 404)
    with tenant_scope(other_tenant.schema):
        assert not Decision.objects.exists()
        assert not Strategy.objects.exists()


def test_a_sprint_is_opened_filled_and_closed(people: People) -> None:
    owner = people.product_owner
    bad = owner.post("sprints/", {"project": "SHOP", "starts_on": "2026-12-04", "ends_on": "2026-12-01"}, 422)
    assert "ends_on" in bad["fields"]
    made = owner.post("sprints/", {"project": "SHOP", "capacity": 8}, 201)
    path = f"sprints/{made['id']}/"
    owner.post("sprints/", {"project": "SHOP"}, 409)
    owner.post(f"{path}stories/", {"story": "SHOP-1"}, 409)
    owner.post(f"{path}stories/", {"story": "TILL-1"}, 409)
    owner.send("DELETE", f"{path}stories/SHOP-1/", {}, 404)
    assert owner.get(f"{path}stories/") == []
    assert [day["points"] for day in owner.get(f"{path}burn-down/")] == [0]
    people.developer.post(f"{path}close/", {}, 403)
    closing = owner.post(f"{path}close/", {}, 202)
    assert (closing["state"], allowed(closing)) == ("closing", set())
    owner.post(f"{path}close/", {}, 409)
    people.client.get(path, 404)
