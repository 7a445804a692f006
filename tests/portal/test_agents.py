"""Pages and API of agents: standing with its history, who may change what, and the score's consequences in words."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.db import connection

from governance.actions.reputation import adjust_reputation, apply_reputation
from governance.scoring import ReputationKind
from governance.selectors import standing_of
from governance.selectors.reputation import history_of, streamed_scores
from gpu_workers.models import Agent
from gpu_workers.staff import idle_agents
from gpu_workers.tasks import let_tenant_decay
from guildhall.kernel.jobs import sign
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import Browser, program, signed_in, tokens_of
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
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


@pytest.fixture(scope="module")
def browsers(house: TestTenant) -> Callable[[str], Browser]:
    known: dict[str, Browser] = {}

    def of(role: str) -> Browser:
        if role not in known:
            known[role] = signed_in(house, house.member(role))
        return known[role]

    return of


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


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
    sent = {"act": "cap", "cap": "L1", "reason": "deployed past a freeze"}
    assert architect.submit(place, sent).status_code == 302
    with tenant_scope(house.schema):
        assert Agent.objects.get(name="rook").autonomy_cap == "L1"
    shown = " ".join(text_of(architect.get(place)).split())
    assert "<dd>L1 Assisted</dd>" in shown
    assert "<dt>Unasked</dt><dd>read</dd>" in shown


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
