"""Pages and API of agents: standing with its history, who may change what, and the score's consequences in words."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from governance.actions.limits import set_limit
from governance.actions.reputation import adjust_reputation, apply_reputation
from governance.scopes import ScopeKind, Window
from governance.scoring import ReputationKind
from governance.selectors import active_policy, standing_of
from governance.selectors.reputation import history_of, streamed_scores
from gpu_workers.actions.agents import edit_agent, set_cap, wake_agent
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.models import Agent
from gpu_workers.models.run import RunKind
from gpu_workers.prompts import digest_of
from gpu_workers.staff import free_agents, idle_agents
from gpu_workers.tasks import let_tenant_decay
from guildhall.kernel.errors import Conflict, Denied
from guildhall.kernel.jobs import sign
from guildhall.kernel.tenancy import tenant_scope
from tests.support.browsers import browsers
from tests.support.clients import Browser, program, tokens_of
from tests.support.pages import text_of
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
__all__ = ["browsers"]
MASON = "agent:mason"


@pytest.fixture(scope="module")
def house(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    made = make_tenant()
    with tenant_scope(made.schema):
        for number, kind in enumerate([ReputationKind.VIOLATION] * 3):
            apply_reputation(
                actor=made.system(), agent="agent:finch", kind=kind, source=f"event:{number}", reason="<b>x"
            )
        apply_reputation(actor=made.system(), agent=MASON, kind=ReputationKind.RUN_SUCCEEDED, source="event:9")
    return made


def test_the_leaderboard_has_the_best_first_and_names_who_is_restricted(browsers: Callable[[str], Browser]) -> None:
    shown = text_of(browsers("viewer").get("/agents/"))
    places = [shown.index(f'id="agent-{name}"') for name in ("mason", "alder", "quill", "rook", "wren", "finch")]
    assert places == sorted(places)
    assert "Finch is restricted" in shown
    assert "+10" in shown
    assert "-60" in shown
    one = text_of(browsers("viewer").get("/agents/finch/"))
    assert "Restricted: it asks before each action." in one
    assert "10</b> more points it asks no more" in " ".join(one.split())
    assert "&lt;b&gt;x" in one
    assert "Adjust the score" not in one
    assert "You have none that changes a file" in one, "a data agent is promised nothing that it cannot do"
    assert "dev_fix" not in one
    judge = text_of(browsers("viewer").get("/agents/alder/"))
    assert "Judge the change now. The workspace holds" in judge, "what it is told is shown"
    assert "dev_fix" not in judge


def test_people_adjust_once_a_form_and_with_a_reason(house: TestTenant, browsers: Callable[[str], Browser]) -> None:
    admin, place = browsers("admin"), "/agents/wren/"
    reason = "caught a wrong migration"
    for sent, field in (
        ({"points": "15", "reason": "short"}, "at least 10|10 to 300"),
        ({"points": "15", "reason": ""}, "10 to 300"),
        ({"points": "NaN", "reason": reason}, "whole number"),
        ({"points": "1.5", "reason": reason}, "whole number"),
        ({"points": "99999", "reason": reason}, "whole number"),
        ({"points": "201", "reason": reason}, "between -200 and 200"),
        ({"points": "0", "reason": reason}, "not 0"),
        ({"points": "²", "reason": reason}, "whole number"),
        ({"act": "cap", "cap": "L9", "reason": reason}, "Choose one of"),
        ({"act": "cap", "cap": "L1", "reason": "no"}, "10 to 300"),
    ):
        answer = admin.submit(place, {"form": "one", **sent})
        assert answer.status_code == 422
        assert any(words in text_of(answer) for words in field.split("|")), sent
    assert admin.submit(place, {"form": "two", "points": "+15", "reason": reason}).status_code == 302
    again = admin.submit(place, {"form": "two", "points": "+15", "reason": reason})
    assert (again.status_code, "already" in text_of(again)) == (422, True)
    with tenant_scope(house.schema):
        assert standing_of("agent:wren").score == 115
        assert [(change.points, change.reason) for change in history_of("agent:wren")] == [(15, reason)]
        assert streamed_scores()["agent:wren"] == 115
    for role in ("developer", "product_owner", "viewer"):
        refused = browsers(role).submit(place, {"form": "x", "points": "5", "reason": reason})
        assert refused.status_code == 403
        assert browsers(role).submit(place, {"act": "cap", "cap": "L0", "reason": reason}).status_code == 403
    assert admin.get("/agents/nobody/").status_code == 404
    assert admin.submit("/agents/nobody/", {"points": "5", "reason": reason}, form_at=place).status_code == 404


def test_a_cap_counts_for_what_the_agent_may_do(house: TestTenant, browsers: Callable[[str], Browser]) -> None:
    architect, place = browsers("architect"), "/agents/rook/"
    assert "read, write workspace, test, commit" in text_of(architect.get(place))
    with tenant_scope(house.schema):
        text = active_policy().text
        put_policy(house, text.replace("table: []", "table: [{action: commit, highest: 1}]"))
    shown = " ".join(text_of(architect.get(place)).split())
    assert "<dt>Unasked</dt><dd>read, write workspace, test, " in shown
    assert "test, commit" not in shown, "a cell of the policy's table counts as it does for runs"
    with tenant_scope(house.schema):
        put_policy(house, text)
    sent = {"act": "cap", "cap": "L1", "reason": "deployed past a freeze"}
    assert architect.submit(place, sent).status_code == 302
    with tenant_scope(house.schema):
        assert Agent.objects.get(name="rook").autonomy_cap == "L1"
    shown = " ".join(text_of(architect.get(place)).split())
    assert "<dd>L1 Assisted</dd>" in shown
    assert "<dt>Unasked</dt><dd>read</dd>" in shown


def test_agents_are_registered_edited_and_put_to_rest_on_pages(
    house: TestTenant, browsers: Callable[[str], Browser]
) -> None:
    admin, new, place = browsers("admin"), "/agents/new/", "/agents/sparrow/"
    sent = {
        "title": "Sparrow", "name": "sparrow", "craft": "dev/developer", "autonomy_cap": "L1", "route": "code",
        "prompt_version": "v1",
    }  # fmt: skip
    for wrong in ({"name": "new"}, {"name": "A b"}, {"title": " "}, {"craft": "dev/qa"}, {"craft": "", "name": "x-y"}):
        assert admin.submit(new, {**sent, **wrong}).status_code == 422, wrong
    assert admin.submit(new, {**sent, "route": "dear", "prompt_version": "v9"}).status_code == 422
    assert admin.submit(new, sent).headers["Location"] == place
    assert admin.submit(new, sent).status_code == 409
    shown = text_of(admin.get(place))
    assert "apply_patch" in shown.split('id="agent-tools"')[1].split("</section>")[0]
    assert "query_db" not in shown.split('id="agent-tools"')[1].split("</section>")[0]
    edit = {"title": "Sparrow II", "route": "smart", "prompt_version": "v1", "version": "1"}
    assert browsers("architect").submit(f"{place}edit/", edit).status_code == 302
    stale = admin.submit(f"{place}edit/", {**edit, "title": "Sparrow III"})
    assert (stale.status_code, "changed meanwhile" in text_of(stale)) == (412, True)
    rest = {"act": "rest", "reason": "Costs more than it brings.", "version": "2"}
    assert admin.submit(place, {**rest, "reason": "no"}).status_code == 422
    assert browsers("developer").submit(place, rest).status_code == 403
    with tenant_scope(house.schema):
        assert [agent.name for agent in free_agents("developer")] == ["mason", "sparrow"]
        work = NewRun(kind=RunKind.BACKLOG, subject="proposal:1", story="", title="x", claim="proposal:1")
        set_limit(
            actor=house.actor("admin"), kind=ScopeKind.AGENT, scope_id="mason", window=Window.DAY, amount=Decimal(0)
        )
        assert [agent.name for agent in free_agents("developer")] == ["sparrow", "mason"], "it could pay for nothing"
        run = queue_run(actor=house.system(), agent=Agent.objects.get(name="rook"), new=work)
        Agent.objects.filter(name="rook").update(prompt_version="v2")
        run.refresh_from_db()
        told = digest_of("ops", "v1", changes_files=False)
        assert (run.prompt_version, run.prompt_sha256) == ("v1", told), "what it was queued with"
    shown = text_of(admin.get(f"/runs/{run.number}/")).split('id="run-details"')[1]
    assert (">v1</a>" in shown, told[:12] in shown) == (True, True)
    assert "may cost 0.00 USD per day" in text_of(admin.get("/agents/mason/edit/"))
    assert admin.submit(place, rest).status_code == 302
    resting = text_of(admin.get(place))
    assert "rests: it begins nothing new" in resting
    assert admin.submit(place, {**rest, "version": ""}).status_code == 409
    with tenant_scope(house.schema):
        agent = Agent.objects.get(name="sparrow")
        assert [one.name for one in free_agents("developer")] == ["mason"]
        with pytest.raises(Conflict, match="not active"):
            queue_run(actor=house.system(), agent=agent, new=replace(work, subject="proposal:2", claim="2"))
        with pytest.raises(Denied):
            wake_agent(actor=agent.actor(), agent=agent)
        with pytest.raises(Denied):
            set_cap(actor=agent.actor(), agent=agent, cap="L3", reason="I would like to do more.")
        with pytest.raises(Denied):
            edit_agent(actor=agent.actor(), agent=agent, changes={"route": "smart"})
    assert "Agent Mason" in text_of(admin.get("/costs/limits/"))
    assert admin.submit(place, {"act": "wake", "version": "3"}).status_code == 302
    with tenant_scope(house.schema):
        agent = Agent.objects.get(name="sparrow")
        assert (agent.active, agent.title, agent.route, agent.version) == (True, "Sparrow II", "smart", 4)
    told = text_of(admin.get("/audit/?kind=agent.registry."))
    for words in (
        "registered the agent sparrow",
        "changed the model route and the name of",
        "no new work",
        "work again",
    ):
        assert words in told


def test_the_daily_job_lets_idle_agents_decay_once_a_week(house: TestTenant) -> None:
    def daily() -> None:
        envelope: dict[str, Any] = {"tenant": house.schema, "kwargs": {}, "operation": None, "trace": None}
        let_tenant_decay.task(envelope=envelope, signature=sign(let_tenant_decay.name, envelope))

    def scores() -> tuple[int, int]:
        with tenant_scope(house.schema):
            return standing_of("agent:quill").score, standing_of(MASON).score

    with tenant_scope(house.schema):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE gpu_workers_agent SET created_at = now() - interval '15 days' WHERE name = 'quill'")
        assert dict(idle_agents()).keys() >= {"agent:quill", MASON}
    for _ in range(2):
        daily()
    assert scores() == (98, 110)
    with tenant_scope(house.schema):
        adjust_reputation(
            actor=house.actor("admin"), agent="agent:quill", points=2, source="q", reason="was away on our wish"
        )
    daily()
    assert scores() == (100, 110), "a person looked at it, so the weeks begin anew"


def test_the_api_tells_a_history_and_takes_what_people_change(house: TestTenant) -> None:
    api = program(house, tokens_of(house, house.member("architect"))["access"])
    place = "/api/v1/agents/alder/"

    def send(method: str, rest: str, body: Mapping[str, object]) -> Any:
        return getattr(api, method)(f"{place}{rest}", body, content_type="application/json")

    for body in ({"points": 5}, {"points": 0, "reason": "a good enough reason"}, {"points": 5, "reason": "short"}):
        assert send("post", "reputation/", body).status_code == 422
    assert send("put", "cap/", {"cap": "L7", "reason": "a good enough reason"}).status_code == 422
    for points in (-15, 5):
        answer = send("post", "reputation/", {"points": points, "reason": "a good enough reason"})
        assert answer.status_code == 200
    assert (answer.json()["score"], answer.json()["level"]) == (90, "staging_access")
    assert send("put", "cap/", {"cap": "L2", "reason": "a good enough reason"}).json()["autonomy_cap"] == "L2"
    [newest] = api.get(f"{place}reputation/?limit=1").json()
    [older] = api.get(f"{place}reputation/?limit=1&before={newest['id']}").json()
    assert (newest["points"], older["points"]) == (5, -15)
    assert (
        program(house, tokens_of(house, house.member("qa"))["access"])
        .post(f"{place}reputation/", {"points": 5, "reason": "a good enough reason"}, content_type="application/json")
        .status_code
        == 403
    )
    assert program(house, tokens_of(house, house.member("client"))["access"]).get(place).status_code == 404


def test_the_api_registers_edits_and_rests_agents(house: TestTenant) -> None:
    api = program(house, tokens_of(house, house.member("admin"))["access"])
    one, json = "/api/v1/agents/robin/", "application/json"
    new = {"name": "robin", "title": "Robin", "kind": "tester"}
    assert api.post("/api/v1/agents/", {**new, "role": "developer"}, content_type=json).status_code == 422
    made = api.post("/api/v1/agents/", new, content_type=json)
    assert (made.status_code, made.headers["ETag"]) == (201, '"v1"')
    told = made.json()
    assert (told["role"], told["autonomy_cap"], told["prompt_version"]) == ("qa", "L1", "v1")
    assert {"name": "query_db", "action_class": "read", "allowed": True} in told["tools"]
    assert "write_file" not in {tool["name"] for tool in told["tools"]}
    assert api.patch(one, {"route": "fast"}, content_type=json).status_code == 428
    for tag, body, status in (('"v1"', {"route": "dear"}, 422), ('"v1"', {"route": "fast"}, 200), ('"v1"', {}, 412)):
        answer = api.patch(one, body, content_type=json, headers={"If-Match": tag})
        assert answer.status_code == status
    rest = f"{one}rest/"
    why = {"reason": "We have too many testers."}
    assert api.post(rest, why, content_type=json, headers={"If-Match": '"v1"'}).status_code == 412
    assert api.post(rest, why, content_type=json).json()["active"] is False
    assert api.delete(rest).json()["active"] is True
    assert api.delete(rest).status_code == 409
    limit = {"scope_kind": "agent", "scope_id": "robin", "window": "day", "amount": "0.50"}
    assert api.put("/api/v1/budgets/", limit, content_type=json).json()[0]["left"] == "0.5000000000"
    assert api.put("/api/v1/budgets/", {**limit, "scope_id": "nobody"}, content_type=json).status_code == 422
