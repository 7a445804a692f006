"""Newer prompts: agents that have older ones are shown, told what differs, moved one or all, and put back."""

from collections.abc import Callable

import pytest

from gpu_workers.actions.agent_prompts import move_all_prompts, move_prompts
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.models import Agent
from gpu_workers.models.run import RunKind
from gpu_workers.prompts import digest_of
from guildhall.kernel.errors import Denied
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import program, signed_in, tokens_of
from tests.support.pages import words_of
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
MASON, ALL = "/agents/mason/", "/prompts/"
JSON = "application/json"


def versions(house: TestTenant) -> dict[str, tuple[str, str]]:
    with tenant_scope(house.schema):
        return {row.name: (row.prompt_version, row.previous_prompts) for row in Agent.objects.all()}


@pytest.fixture(scope="module")
def founded(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    return make_tenant()


@pytest.fixture
def house(founded: TestTenant) -> TestTenant:
    """An organisation from before: its dev agents have the first of two versions."""
    with tenant_scope(founded.schema):
        Agent.objects.update(prompt_version="v1", previous_prompts="", version=1)
    return founded


def test_an_agent_is_moved_to_newer_prompts_and_put_back_and_old_runs_keep_theirs(house: TestTenant) -> None:
    architect, developer = (signed_in(house, house.member(role)) for role in ("architect", "developer"))
    with tenant_scope(house.schema):
        work = NewRun(kind=RunKind.BACKLOG, subject="proposal:1", story="", title="x", claim="proposal:1")
        run = queue_run(actor=house.system(), agent=Agent.objects.get(name="mason"), new=work)
    shown = words_of(architect.get(MASON))
    assert ("Newer prompts are shipped for Dev agents: v2" in shown, "Move Mason to v2" in shown) == (True, True)
    assert "Newer prompts" not in words_of(architect.get("/agents/alder/")), "there is one version of its kind"
    assert "Move Mason to v2" not in words_of(developer.get(MASON))
    differing = words_of(developer.get(f"{MASON}prompts/"))
    assert "From v1 to v2" in differing
    added = differing.split('aria-label="Changes in dev"')[1].split("</table>")[0]
    assert ('class="add"' in added, 'class="del"' in added, "git_commit" in added) == (True, True, True)
    assert "git_commit" not in words_of(developer.get(f"{MASON}prompts/?old=v2&new=v1")).split("word for word")[1]

    act = {"act": "prompts", "to": "newest", "version": "1"}
    assert developer.submit(MASON, act).status_code == 403
    assert architect.submit(MASON, {**act, "to": "v2"}).status_code == 422
    assert architect.submit(MASON, {**act, "version": "7"}).status_code == 412
    assert versions(house)["mason"] == ("v1", "")
    assert architect.submit(MASON, act).status_code == 302
    assert versions(house)["mason"] == ("v2", "v1")
    assert architect.submit(MASON, {**act, "version": "2"}).status_code == 409
    details = words_of(architect.get(f"/runs/{run.number}/")).split('id="run-details"')[1]
    assert 'prompts/?new=v1">v1</a>' in details, "its receipt leads to the words that it was told"
    assert digest_of("dev", "v1", changes_files=True)[:12] in details
    assert "Put back to v1" in words_of(architect.get(MASON))
    assert architect.submit(MASON, {**act, "to": "previous", "version": "2"}).status_code == 302
    assert versions(house)["mason"] == ("v1", "v2")
    told = words_of(signed_in(house, house.member("admin")).get("/audit/?kind=agent.registry.prompts_moved"))
    assert "moved mason from the prompts v1 to v2" in told
    assert "moved mason from the prompts v2 to v1" in told


def test_all_agents_are_moved_at_once_and_those_that_came_are_put_back(house: TestTenant) -> None:
    admin, viewer = (signed_in(house, house.member(role)) for role in ("admin", "viewer"))
    assert "2 agents work with older prompts" in words_of(viewer.get("/agents/"))
    assert "Move 2 agents to the newest" in words_of(admin.get(ALL))
    assert "Move 2 agents" not in words_of(viewer.get(ALL))
    assert viewer.submit(ALL, {"to": "newest"}).status_code == 403
    assert admin.submit(ALL, {"to": "all"}).status_code == 422
    assert admin.submit(ALL, {"to": "newest"}).status_code == 302
    after = versions(house)
    assert {name for name, had in after.items() if had == ("v2", "v1")} == {"mason", "finch"}
    assert after["alder"] == ("v1", ""), "nothing newer is shipped for it"
    assert admin.submit(ALL, {"to": "newest"}).status_code == 409
    with tenant_scope(house.schema):
        move_prompts(actor=house.actor("admin"), agent=Agent.objects.get(name="finch"), to="previous")
    assert admin.submit(ALL, {"to": "previous"}).status_code == 302
    after = versions(house)
    assert (after["mason"], after["finch"]) == (("v1", "v2"), ("v1", "v2")), "who was put back is not moved again"
    assert admin.submit(ALL, {"to": "previous"}).status_code == 409
    with tenant_scope(house.schema):
        with pytest.raises(Denied):
            move_all_prompts(actor=Agent.objects.get(name="mason").actor(), to="newest")
        edited = Agent.objects.get(name="mason")
    assert edited.version == 3


def test_programs_compare_and_move_prompts(house: TestTenant) -> None:
    api = program(house, tokens_of(house, house.member("admin"))["access"])
    one, all_ = f"/api/v1{MASON}prompts/", f"/api/v1{ALL}"
    told = api.get(one).json()
    assert (told["old"], told["new"], told["shipped"]) == ("v1", "v2", ["v1", "v2"])
    assert [change["name"] for change in told["differences"]] == ["dev", "dev_fix"]
    diff = told["differences"][0]["diff"]
    assert (diff.startswith("@@ "), "\n+- When the work is done, hand it in" in diff) == (True, True)
    assert api.get(f"{one}?old=v2&new=v2").json()["differences"] == []
    assert api.get(f"{one}?new=../v1").status_code == 422
    seen = {"If-Match": '"v1"'}
    moved = api.post(one, {"to": "newest"}, content_type=JSON, headers=seen)
    assert (moved.json()["prompt_version"], moved.headers["ETag"]) == ("v2", '"v2"')
    assert api.post(one, {"to": "previous"}, content_type=JSON, headers=seen).status_code == 412
    assert [row["name"] for row in api.post(all_, {"to": "newest"}, content_type=JSON).json()] == ["finch"]
    back = api.post(all_, {"to": "previous"}, content_type=JSON).json()
    assert [(row["name"], row["prompt_version"], row["newest"]) for row in back] == [
        ("finch", "v1", "v2"),
        ("mason", "v1", "v2"),
    ]
    assert {row["prompt_version"] for row in api.get(all_).json()} == {"v1"}
    edited = api.patch(f"/api/v1{MASON}", {"prompt_version": "v2"}, content_type=JSON, headers={"If-Match": '"v3"'})
    assert edited.status_code == 200
    assert versions(house)["mason"] == ("v2", "v1"), "an edit can be put back as well"
    client = program(house, tokens_of(house, house.member("client"))["access"])
    assert client.get(all_).json() == []
    assert client.post(all_, {"to": "newest"}, content_type=JSON).status_code == 403
