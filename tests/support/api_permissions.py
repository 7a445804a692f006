"""The permission table's rows of the API of stories, governance and agents.

The tenant holds the story SHOP-1 (a draft, not shown to clients) with the task SHOP-1.1, run 1, approval 1 and
council 1; nothing else.
"""

from tests.support.comfort_permissions import COMFORT_API_ROWS
from tests.support.permissions import Row

_HIDDEN = {"client": 404}
_REFUSED = {"client": 403}
_STORY = "api/v1/stories/<story:reference>/", "api/v1/stories/SHOP-1/"
_TASK = "api/v1/tasks/<task:reference>/", "api/v1/tasks/SHOP-1.1/"
_APPROVAL = "api/v1/approvals/<int:number>/", "api/v1/approvals/1/"
_COMPARED = "api/v1/reconciliations/<int:pk>/differences/", "api/v1/reconciliations/1/differences/"
_REPUTATION = "api/v1/agents/<slug:name>/reputation/", "api/v1/agents/mason/reputation/"
_PROMPTS = "api/v1/agents/<slug:name>/prompts/", "api/v1/agents/mason/prompts/"
_RUN = "api/v1/runs/<int:number>/", "api/v1/runs/1/"
_CHANGE = "api/v1/changes/<int:number>/", "api/v1/changes/1/"
_CONSUMER = "api/v1/consumers/<str:consumer>/", "api/v1/consumers/workflows.rollup/"
_PROJECT = "api/v1/projects/<project:key>/", "api/v1/projects/SHOP/"
_REPOSITORY = f"{_PROJECT[0]}repositories/<str:name>/", f"{_PROJECT[1]}repositories/shop/"
_COUNCIL = "api/v1/councils/<int:pk>/", "api/v1/councils/1/"
_POLICY_DRAFT = "api/v1/policy/drafts/<int:number>/", "api/v1/policy/drafts/1/"
_DECISION = "api/v1/decisions/<int:pk>/", "api/v1/decisions/1/"


def _of(thing: tuple[str, str], method: str, rest: str, member: int, client: int = 404) -> Row:
    """A row of something that exists, or of its `rest`, which is hidden from clients."""
    return Row(method, thing[0] + rest, 401, member, thing[1] + rest, {"client": client})


def _missing(name: str, acts: list[str]) -> list[Row]:
    """Rows of a thing that this tenant has none of: `METHOD rest`."""
    parts = [act.partition(" ") for act in acts]
    route, path = f"api/v1/{name}/<int:pk>/", f"api/v1/{name}/1/"
    return [Row(method, route + rest, 401, 404, path + rest) for method, _, rest in parts]


def _list(name: str) -> Row:
    return Row("GET", f"api/v1/{name}/", 401, 200)


def _made(name: str) -> Row:
    return Row("POST", f"api/v1/{name}/", 401, 422)


API_ROWS = [
    *COMFORT_API_ROWS,
    *map(_list, ["projects", "strategies", "epics", "sprints", "decisions", "stories", "tasks", "approvals"]),
    *map(_list, ["agents", "runs", "ci-runs", "changes", "repositories", "councils"]),
    *map(_made, ["projects", "strategies", "epics", "sprints", "decisions", "stories", "repositories"]),
    _of(_PROJECT, "GET", "", 200),
    _of(_PROJECT, "PATCH", "", 428),
    _of(_PROJECT, "GET", "repositories/", 200),
    _of(_PROJECT, "POST", "repositories/", 422),
    Row("PATCH", _REPOSITORY[0], 401, 403, _REPOSITORY[1], {**_HIDDEN, "admin": 422, "product_owner": 422}),
    Row("DELETE", _REPOSITORY[0], 401, 403, _REPOSITORY[1], {**_HIDDEN, "admin": 409, "product_owner": 409}),
    _of(_PROJECT, "PUT", "epics/order/", 422),
    Row("GET", "api/v1/repositories/<slug:name>/code/", 401, 404, "api/v1/repositories/shop/code/"),
    *[
        Row(
            method,
            f"api/v1/repositories/<slug:name>/connection/{rest}",
            401,
            404,
            f"api/v1/repositories/shop/connection/{rest}",
        )
        for method, rest in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("PUT", "token/"), ("POST", "hook/"))
    ],
    _of(_PROJECT, "GET", "cluster/", 404),
    _of(_PROJECT, "POST", "cluster/", 422),
    _of(_PROJECT, "DELETE", "cluster/", 404),
    _of(_PROJECT, "GET", "database/", 404),
    _of(_PROJECT, "POST", "database/", 422),
    _of(_PROJECT, "DELETE", "database/", 404),
    _of(_PROJECT, "GET", "migrator/", 404),
    _of(_PROJECT, "POST", "migrator/", 422),
    _of(_PROJECT, "DELETE", "migrator/", 404),
    _of(_PROJECT, "GET", "tracker/", 404),
    _of(_PROJECT, "POST", "tracker/", 422),
    _of(_PROJECT, "DELETE", "tracker/", 404),
    *_missing("strategies", ["GET ", "PATCH ", "POST transitions/", "PUT schedule/", "DELETE schedule/", "GET runs/"]),
    *_missing("strategies", ["GET activity/"]),
    *_missing("epics", ["GET ", "PATCH ", "POST transitions/", "PUT stories/order/", "GET activity/"]),
    *_missing(
        "sprints", ["GET ", "PATCH ", "POST close/", "GET burn-down/", "GET stories/", "POST stories/", "GET activity/"]
    ),
    Row("DELETE", "api/v1/sprints/<int:pk>/stories/<story:reference>/", 401, 404, "api/v1/sprints/1/stories/SHOP-1/"),
    _of(_DECISION, "GET", "", 200),
    _of(_DECISION, "PATCH", "", 428),
    _of(_DECISION, "POST", "verdict/", 422),
    _of(_DECISION, "POST", "supersede/", 422),
    _of(_DECISION, "GET", "activity/", 200),
    _of(_STORY, "GET", "", 200),
    _of(_STORY, "PATCH", "", 428),
    _of(_STORY, "POST", "transitions/", 422),
    _of(_STORY, "GET", "activity/", 200),
    _of(_STORY, "GET", "proposal/", 404),
    _of(_STORY, "PUT", "proposal/", 422),
    _of(_STORY, "POST", "tasks/", 422),
    _of(_STORY, "PUT", "tasks/order/", 422),
    _of(_TASK, "GET", "", 200),
    _of(_TASK, "PATCH", "", 428),
    _of(_TASK, "POST", "transitions/", 422),
    _of(_TASK, "GET", "activity/", 200),
    Row(
        "POST",
        f"{_TASK[0]}renew/",
        401,
        409,
        f"{_TASK[1]}renew/",
        {**_HIDDEN, "admin": 403, "product_owner": 403, "viewer": 403},
    ),
    _of(_TASK, "GET", "hand-ins/", 200),
    _of(_TASK, "POST", "hand-ins/", 403),
    Row("POST", f"{_TASK[0]}hand-ins/<int:pk>/withdraw/", 401, 404, f"{_TASK[1]}hand-ins/1/withdraw/"),
    _of(_APPROVAL, "GET", "", 200),
    _of(_APPROVAL, "POST", "decision/", 422),
    _of(_APPROVAL, "POST", "retry/", 422),
    _of(_APPROVAL, "POST", "take-back/", 422),
    Row("GET", "api/v1/release-controls/", 401, 200, "api/v1/release-controls/?environment=shop:main", _REFUSED),
    Row("GET", "api/v1/release-holds/", 401, 200, differs=_REFUSED),
    Row("POST", "api/v1/release-holds/", 401, 422),
    Row("POST", "api/v1/release-holds/<int:pk>/lift/", 401, 422, "api/v1/release-holds/1/lift/", _REFUSED),
    Row("GET", "api/v1/budgets/", 401, 200, differs=_REFUSED),
    Row("PUT", "api/v1/budgets/", 401, 422),
    Row("DELETE", "api/v1/budgets/", 401, 422),
    Row("GET", "api/v1/costs/", 401, 200, differs=_REFUSED),
    Row("GET", "api/v1/costs/days/", 401, 200, differs=_REFUSED),
    Row("GET", "api/v1/limits/", 401, 200, differs=_REFUSED),
    Row("GET", "api/v1/reconciliations/", 401, 200, differs=_REFUSED),
    Row("GET", _COMPARED[0], 401, 404, _COMPARED[1], _REFUSED),
    Row("GET", _REPUTATION[0], 401, 200, _REPUTATION[1], _HIDDEN),
    Row("POST", _REPUTATION[0], 401, 422, _REPUTATION[1], _HIDDEN),
    Row("PUT", "api/v1/agents/<slug:name>/cap/", 401, 422, "api/v1/agents/mason/cap/", _HIDDEN),
    Row("GET", _PROMPTS[0], 401, 200, _PROMPTS[1], _HIDDEN),
    Row("POST", _PROMPTS[0], 401, 422, _PROMPTS[1], _HIDDEN),
    Row("GET", "api/v1/prompts/", 401, 200),
    Row("POST", "api/v1/prompts/", 401, 422),
    Row("POST", "api/v1/agents/", 401, 422),
    Row("PATCH", "api/v1/agents/<slug:name>/", 401, 428, "api/v1/agents/mason/", _HIDDEN),
    Row("POST", "api/v1/agents/<slug:name>/rest/", 401, 422, "api/v1/agents/mason/rest/", _HIDDEN),
    Row(
        "DELETE",
        "api/v1/agents/<slug:name>/rest/",
        401,
        403,
        "api/v1/agents/mason/rest/",
        {**_HIDDEN, "admin": 409, "architect": 409},
    ),
    Row("POST", "api/v1/ledger/adjustments/", 401, 422, differs=_REFUSED),
    Row("GET", "api/v1/ledger/", 401, 200, "api/v1/ledger/?by=run&id=1", _REFUSED),
    Row("GET", "api/v1/holds/", 401, 200, differs=_REFUSED),
    Row("POST", "api/v1/holds/", 401, 422),
    Row("DELETE", "api/v1/holds/<int:pk>/", 401, 404, "api/v1/holds/1/", _REFUSED),
    Row("GET", "api/v1/policy/", 401, 200, differs=_REFUSED),
    Row("GET", "api/v1/policy/versions/", 401, 200, differs=_REFUSED),
    Row("GET", "api/v1/policy/versions/<int:version>/", 401, 200, "api/v1/policy/versions/1/", _REFUSED),
    Row("POST", "api/v1/policy/check/", 401, 422, differs=_REFUSED),
    Row("GET", "api/v1/policy/drafts/", 401, 200, differs=_REFUSED),
    Row("POST", "api/v1/policy/drafts/", 401, 422),
    *[
        Row(method, _POLICY_DRAFT[0] + rest, 401, 404, _POLICY_DRAFT[1] + rest, _REFUSED)
        for method, rest in (
            ("GET", ""),
            ("PUT", ""),
            ("GET", "simulation/"),
            ("POST", "submit/"),
            ("POST", "withdraw/"),
        )
    ],
    Row("GET", "api/v1/confidence/", 401, 200, differs=_REFUSED),
    Row("GET", "api/v1/confidence/calibration/", 401, 200, differs=_REFUSED),
    Row("GET", "api/v1/violations/", 401, 200, differs=_REFUSED),
    Row("GET", "api/v1/violations/<int:number>/", 401, 404, "api/v1/violations/1/", _REFUSED),
    Row("POST", "api/v1/violations/<int:number>/verdict/", 401, 404, "api/v1/violations/1/verdict/", _REFUSED),
    Row("GET", "api/v1/audit/", 401, 200, differs=_REFUSED),
    Row("GET", "api/v1/audit/export/", 401, 200, differs=_REFUSED),
    Row("POST", "api/v1/audit/verification/", 401, 200, differs=_REFUSED),
    Row("GET", "api/v1/agents/<slug:name>/", 401, 200, "api/v1/agents/mason/", _HIDDEN),
    _of(_RUN, "GET", "", 200),
    _of(_RUN, "GET", "log/", 200),
    _of(_RUN, "GET", "files/", 404),
    _list("incidents"),
    _list("proposals"),
    _made("proposals"),
    *_missing("proposals", ["GET ", "POST decision/"]),
    _made("incidents"),
    *_missing("incidents", ["GET ", "POST evidence/", "POST triage/", "POST close/"]),
    Row("GET", "api/v1/incidents/<int:pk>/evidence/<int:file>/", 401, 404, "api/v1/incidents/1/evidence/1/"),
    _of(_RUN, "POST", "cancel/", 422),
    _of(_RUN, "POST", "retry/", 422),
    Row("GET", "api/v1/ci-runs/<int:pk>/", 401, 404, "api/v1/ci-runs/1/"),
    _of(_CHANGE, "GET", "", 404),
    _of(_CHANGE, "GET", "remarks/", 404),
    _of(_CHANGE, "POST", "remarks/", 404),
    *(
        Row(verb, _CHANGE[0] + "remarks/<int:pk>/", 401, 404, _CHANGE[1] + "remarks/1/")
        for verb in ("GET", "PATCH", "DELETE")
    ),
    _of(_CHANGE, "POST", "revert/", 404),
    _of(_COUNCIL, "GET", "", 200),
    _of(_COUNCIL, "GET", "contributions/", 200),
    _of(_COUNCIL, "POST", "waive/", 422),
    _of(_STORY, "POST", "councils/", 422),
    Row("GET", "api/v1/consumers/", 401, 403, differs={"admin": 200}),
    Row("GET", _CONSUMER[0], 401, 403, _CONSUMER[1], {"admin": 200}),
    Row("POST", _CONSUMER[0] + "wake/", 401, 403, _CONSUMER[1] + "wake/", {"admin": 404}),
    Row("POST", _CONSUMER[0] + "replay/", 401, 403, _CONSUMER[1] + "replay/", {"admin": 422}),
    Row("GET", "api/v1/dead-letters/", 401, 403, differs={"admin": 200}),
    Row("POST", "api/v1/dead-letters/retry/", 401, 403, differs={"admin": 422}),
    Row("POST", "api/v1/dead-letters/dismiss/", 401, 403, differs={"admin": 422}),
    Row("GET", "api/events.yaml", 200, 200),
    Row("GET", "api/events.json", 200, 200),
    Row("GET", "api/schema/", 200, 200),
    Row("GET", "api/docs/", 200, 200),
    Row("GET", "^api/", 404, 404, "api/v1/nothing/"),
]
