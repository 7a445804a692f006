"""The permission table's rows of the portal's pages. Members open them with a session; forms are sent empty."""

from tests.support.comfort_permissions import COMFORT_PAGE_ROWS
from tests.support.permissions import Row

_STORY = "stories/<story:reference>/", "stories/SHOP-1/"
_EDIT = "stories/<story:reference>/edit/", "stories/SHOP-1/edit/"
_TASK = "tasks/<task:reference>/", "tasks/SHOP-1.1/"
_RUN = "runs/<int:number>/", "runs/1/"
_COUNCIL = "councils/<int:pk>/", "councils/1/"
_CALL = "stories/<story:reference>/council/", "stories/SHOP-1/council/"
_LOG = "runs/<int:number>/log/", "runs/1/log/"
_APPROVAL = "approvals/<int:number>/", "approvals/1/"
_CONSUMER = "events/<str:consumer>/", "events/workflows.rollup/"
_AGAIN = "events/<str:consumer>/replay/", "events/workflows.rollup/replay/"
_LETTER = "events/<str:consumer>/<int:position>/", "events/workflows.rollup/1/"
_OPERATION = "audit/operations/<uuid:operation>/", "audit/operations/00000000-0000-4000-8000-000000000000/"
_KEEPER = {"admin": 200}
_MEMBER = "settings/members/<slug:person>/", "settings/members/{person}/"
_PROJECT = "settings/projects/<project:key>/", "settings/projects/SHOP/"
_HIDDEN = {"client": 404}
_REFUSED = {"client": 403}
_CLOSING = dict.fromkeys(("architect", "client", "data", "developer", "qa", "viewer"), 403)
_DRAFTERS = {"admin": 200, "product_owner": 200, "architect": 200, "devops": 200}
_AGENT = "agents/<slug:name>/", "agents/mason/"
_NO_LIMIT = "costs/limits/remove/", "costs/limits/remove/?scope_kind=tenant&window=day"
_ADJUSTED = "costs/differences/<int:pk>/", "costs/differences/1/"
_PAUSERS = {"admin": 422, "product_owner": 422, "devops": 422}

PAGE_ROWS = [
    *COMFORT_PAGE_ROWS,
    Row("GET", "", 302, 200),
    Row("POST", "", 405, 405),
    Row("GET", "palette/", 302, 200),
    Row("POST", "hooks/github/<str:key>/", 404, 404, "hooks/github/none/"),
    Row("GET", "stories/", 302, 200),
    Row("GET", "stories/new/", 302, 200, differs={"client": 403, "viewer": 403}),
    Row("POST", "stories/new/", 302, 422, differs={"client": 403, "viewer": 403}),
    Row("GET", _STORY[0], 302, 200, _STORY[1], _HIDDEN),
    Row("POST", _STORY[0], 302, 422, _STORY[1], _HIDDEN),
    Row("GET", _EDIT[0], 302, 200, _EDIT[1], {**_HIDDEN, "viewer": 403}),
    Row("POST", _EDIT[0], 302, 422, _EDIT[1], {**_HIDDEN, "viewer": 403}),
    Row("GET", _TASK[0], 302, 200, _TASK[1], _HIDDEN),
    Row("POST", _TASK[0], 302, 422, _TASK[1], _HIDDEN),
    Row("GET", _TASK[0] + "hand-ins/", 302, 302, _TASK[1] + "hand-ins/", _HIDDEN),
    Row("POST", _TASK[0] + "hand-ins/", 302, 403, _TASK[1] + "hand-ins/", _HIDDEN),
    Row("GET", "runs/", 302, 200, differs=_HIDDEN),
    Row("GET", _RUN[0], 302, 200, _RUN[1], _HIDDEN),
    Row("POST", _RUN[0], 302, 422, _RUN[1], _HIDDEN),
    Row("GET", _LOG[0], 302, 200, _LOG[1], _HIDDEN),
    Row("GET", "runs/<int:number>/steps/<int:pk>/", 302, 404, "runs/1/steps/1/"),
    Row("GET", "runs/<int:number>/files/", 302, 404, "runs/1/files/"),
    Row("GET", "runs/<int:number>/files/<path:path>", 302, 404, "runs/1/files/README.md"),
    Row("GET", "changes/", 302, 200, differs=_HIDDEN),
    Row("GET", "changes/<int:number>/", 302, 404, "changes/1/"),
    Row("POST", "changes/<int:number>/", 302, 404, "changes/1/"),
    Row("GET", "proposals/", 302, 200, differs=_HIDDEN),
    Row("POST", "proposals/", 302, 422, differs=_HIDDEN),
    Row("GET", "proposals/<int:pk>/", 302, 404, "proposals/1/"),
    Row("POST", "proposals/<int:pk>/", 302, 404, "proposals/1/"),
    Row("GET", "incidents/", 302, 200, differs=_HIDDEN),
    Row("GET", "incidents/new/", 302, 200, differs={**_HIDDEN, "viewer": 403}),
    Row("POST", "incidents/new/", 302, 422, differs={**_HIDDEN, "viewer": 403}),
    Row("GET", "incidents/<int:pk>/", 302, 404, "incidents/1/"),
    Row("POST", "incidents/<int:pk>/", 302, 404, "incidents/1/"),
    Row("GET", "incidents/<int:pk>/evidence/<int:file>/", 302, 404, "incidents/1/evidence/1/"),
    Row("GET", "councils/", 302, 200, differs=_HIDDEN),
    Row("GET", _COUNCIL[0], 302, 200, _COUNCIL[1], _HIDDEN),
    Row("POST", _COUNCIL[0], 302, 403, _COUNCIL[1], {**_HIDDEN, "product_owner": 422, "architect": 422}),
    Row("GET", _CALL[0], 302, 403, _CALL[1], {**_HIDDEN, "product_owner": 200, "architect": 200}),
    Row("POST", _CALL[0], 302, 403, _CALL[1], {**_HIDDEN, "product_owner": 422, "architect": 422}),
    Row("GET", "approvals/", 302, 200),
    Row("GET", _APPROVAL[0], 302, 200, _APPROVAL[1], _HIDDEN),
    Row("POST", _APPROVAL[0], 302, 422, _APPROVAL[1], _HIDDEN),
    Row("GET", "settings/policies/", 302, 200, differs=_REFUSED),
    Row("GET", "settings/policies/new/", 302, 403, differs=_DRAFTERS),
    Row("POST", "settings/policies/new/", 302, 403, differs=dict.fromkeys(_DRAFTERS, 422)),
    Row("GET", "settings/policies/versions/<int:version>/", 302, 200, "settings/policies/versions/1/", _REFUSED),
    *[
        Row(
            method,
            f"settings/policies/drafts/<int:number>/{rest}",
            302,
            404,
            f"settings/policies/drafts/1/{rest}",
            _REFUSED,
        )
        for method in ("GET", "POST")
        for rest in ("", "edit/")
    ],
    Row("GET", "settings/releases/", 302, 200, differs=_REFUSED),
    Row("POST", "settings/releases/", 302, 422, differs=_CLOSING),
    Row("GET", "settings/releases/<int:pk>/", 302, 404, "settings/releases/1/", _REFUSED),
    Row("POST", "settings/releases/<int:pk>/", 302, 404, "settings/releases/1/", _REFUSED),
    Row("GET", "events/", 302, 403, differs=_KEEPER),
    Row("GET", _CONSUMER[0], 302, 403, _CONSUMER[1], _KEEPER),
    Row("POST", _CONSUMER[0], 302, 403, _CONSUMER[1], {"admin": 422}),
    Row("GET", _AGAIN[0], 302, 403, _AGAIN[1], _KEEPER),
    Row("POST", _AGAIN[0], 302, 403, _AGAIN[1], {"admin": 422}),
    Row("GET", _LETTER[0], 302, 403, _LETTER[1], {"admin": 404}),
    Row("POST", _LETTER[0], 302, 403, _LETTER[1], {"admin": 404}),
    Row("GET", "costs/", 302, 200, differs=_REFUSED),
    Row("GET", "costs/ledger/", 302, 200, differs=_REFUSED),
    Row("GET", "costs/ledger/export/", 302, 200, differs=_REFUSED),
    Row("GET", "costs/reconciliations/", 302, 200, differs=_REFUSED),
    Row("GET", _ADJUSTED[0], 302, 404, _ADJUSTED[1], _REFUSED),
    Row("POST", _ADJUSTED[0], 302, 404, _ADJUSTED[1], _REFUSED),
    Row("GET", "costs/limits/", 302, 200, differs=_REFUSED),
    Row("POST", "costs/limits/", 302, 422, differs=_REFUSED),
    Row("GET", _NO_LIMIT[0], 302, 200, _NO_LIMIT[1], _REFUSED),
    Row("POST", _NO_LIMIT[0], 302, 422, _NO_LIMIT[1], _REFUSED),
    Row("GET", "agents/", 302, 200, differs=_HIDDEN),
    Row("GET", _AGENT[0], 302, 200, _AGENT[1], _HIDDEN),
    Row("POST", _AGENT[0], 302, 422, _AGENT[1], _HIDDEN),
    Row("GET", _AGENT[0] + "prompts/", 302, 200, _AGENT[1] + "prompts/", _HIDDEN),
    Row("GET", "prompts/", 302, 200, differs=_HIDDEN),
    Row("POST", "prompts/", 302, 403, differs={**_HIDDEN, "admin": 422, "architect": 422}),
    Row("GET", "agents/new/", 302, 403, differs={**_HIDDEN, "admin": 200}),
    Row("POST", "agents/new/", 302, 403, differs={**_HIDDEN, "admin": 422}),
    Row("GET", _AGENT[0] + "edit/", 302, 403, _AGENT[1] + "edit/", {**_HIDDEN, "admin": 200, "architect": 200}),
    Row("POST", _AGENT[0] + "edit/", 302, 403, _AGENT[1] + "edit/", {**_HIDDEN, "admin": 422, "architect": 422}),
    Row("GET", "violations/", 302, 200, differs={"client": 403}),
    Row("GET", "violations/<int:number>/", 302, 404, "violations/1/", {"client": 403}),
    Row("POST", "violations/<int:number>/", 302, 404, "violations/1/", {"client": 403}),
    Row("GET", "audit/", 302, 200, differs={"client": 403}),
    Row("POST", "audit/", 302, 200, differs={"client": 403}),
    Row("GET", "audit/export/", 302, 200, differs={"client": 403}),
    Row("GET", _OPERATION[0], 302, 404, _OPERATION[1], {"client": 403}),
    Row("GET", "pause/", 302, 200),
    Row("POST", "pause/", 302, 403, differs=_PAUSERS),
    Row("GET", "organisations/", 302, 200),
    Row("GET", "hand-off/", 302, 302),
    Row("GET", "hand-off/give/", 302, 404),
    Row("GET", "hand-off/take/", 403, 302),
    Row("GET", "settings/", 302, 302),
    Row("GET", "settings/members/", 302, 200),
    Row("POST", "settings/members/", 302, 422),
    Row("GET", _MEMBER[0], 302, 200, _MEMBER[1], _HIDDEN),
    Row("POST", _MEMBER[0], 302, 422, _MEMBER[1], _HIDDEN),
    Row("GET", "settings/projects/", 302, 200, differs=_HIDDEN),
    Row("GET", "settings/projects/new/", 302, 403, differs={**_KEEPER, "product_owner": 200, **_HIDDEN}),
    Row("POST", "settings/projects/new/", 302, 403, differs={"admin": 422, "product_owner": 422, **_HIDDEN}),
    Row("GET", _PROJECT[0], 302, 200, _PROJECT[1], _HIDDEN),
    Row("POST", _PROJECT[0], 302, 422, _PROJECT[1], _HIDDEN),
    Row("GET", _PROJECT[0] + "connections/", 302, 200, _PROJECT[1] + "connections/", _HIDDEN),
    Row("POST", _PROJECT[0] + "connections/", 302, 422, _PROJECT[1] + "connections/", _HIDDEN),
    Row("GET", "repositories/<slug:name>/code/", 302, 404, "repositories/shop/code/"),
    Row("GET", "settings/repositories/connect/", 302, 403, differs={**_KEEPER, **_HIDDEN}),
    Row("POST", "settings/repositories/connect/", 302, 403, differs={"admin": 422, **_HIDDEN}),
    Row("GET", "settings/keys/", 302, 200),
    Row("POST", "settings/keys/", 302, 422),
]


def _plan(name: str, *, post: int = 422, viewer: int = 422) -> list[Row]:
    """The list of one kind of plan and the form that makes one."""
    new = f"{name}/new/"
    listed = [] if name == "epics" else [Row("GET", f"{name}/", 302, 200, differs=_HIDDEN)]
    made = Row("POST", new, 302, post, differs={"client": 403, "viewer": viewer})
    return [*listed, Row("GET", new, 302, 200, differs={"client": 403}), made]


def _absent(name: str, *rests: str) -> list[Row]:
    """Pages of a plan that this tenant has none of."""
    return [
        Row(method, f"{name}/<int:pk>/{rest}", 302, 404, f"{name}/1/{rest}")
        for rest in ("", *rests)
        for method in ("GET", "POST")
    ]


_DECISION = "decisions/<int:pk>/", "decisions/1/"
PAGE_ROWS += [
    *_plan("strategies"),
    *_absent("strategies", "edit/", "schedule/"),
    *_plan("epics"),
    *_absent("epics", "edit/"),
    *_plan("sprints"),
    *_absent("sprints", "edit/"),
    *_plan("decisions", viewer=403),
    Row("GET", _DECISION[0], 302, 200, _DECISION[1], _HIDDEN),
    Row("POST", _DECISION[0], 302, 422, _DECISION[1], _HIDDEN),
    Row("GET", f"{_DECISION[0]}edit/", 302, 200, f"{_DECISION[1]}edit/", _HIDDEN),
    Row("POST", f"{_DECISION[0]}edit/", 302, 403, f"{_DECISION[1]}edit/", {**_HIDDEN, "product_owner": 422}),
]
