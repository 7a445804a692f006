"""The permission table's rows of what lies beside stories and tasks; the tenant has none of it."""

from tests.support.permissions import Row

_HIDDEN = {"client": 404}
_STORY = "stories/<story:reference>/", "stories/SHOP-1/"
_TASK = "tasks/<task:reference>/", "tasks/SHOP-1.1/"
_RUN = "runs/<int:number>/retry/", "runs/1/retry/"
_CHANGE = "changes/<int:number>/revert/", "changes/1/revert/"
_PLANS = {**_HIDDEN, "product_owner": 200, "architect": 200}
_PLANNING = {**_HIDDEN, "product_owner": 422, "architect": 422}


def _page(thing: tuple[str, str], rest: str, get: int, post: int, **more: int) -> list[Row]:
    """Both methods of a page about something that clients do not see; `more` are roles that the form tells apart."""
    route, path = thing[0] + rest, thing[1] + rest
    return [Row("GET", route, 302, get, path, _HIDDEN), Row("POST", route, 302, post, path, {**_HIDDEN, **more})]


def _none(route: str, methods: str, nobody: int) -> list[Row]:
    path = route.replace("<int:pk>", "1").replace("<int:number>", "1")
    return [Row(method, route, nobody, 404, path) for method in methods.split()]


def _api(thing: tuple[str, str], method: str, rest: str, member: int) -> Row:
    return Row(method, f"api/v1/{thing[0]}{rest}", 401, member, f"api/v1/{thing[1]}{rest}", _HIDDEN)


COMFORT_PAGE_ROWS = [
    Row("GET", "waiting/", 302, 200),
    Row("GET", "inbox/", 302, 200),
    Row("POST", "inbox/", 302, 422),
    Row("GET", "mentions/", 302, 200),
    Row("GET", "labels/", 302, 200, differs=_HIDDEN),
    Row("POST", "labels/", 302, 422, differs=_HIDDEN),
    Row("GET", "filters/", 302, 200),
    Row("POST", "filters/", 302, 422),
    Row("GET", "stories/bulk/", 302, 302, differs={"client": 403}),
    Row("POST", "stories/bulk/", 302, 422, differs={"client": 403}),
    Row("GET", "stories/export/", 302, 200),
    *_page(_STORY, "move/", 422, 422),
    *_page(_STORY, "assign/", 302, 422),
    Row("GET", _STORY[0] + "proposal/", 302, 403, _STORY[1] + "proposal/", _PLANS),
    Row("POST", _STORY[0] + "proposal/", 302, 403, _STORY[1] + "proposal/",
        {**_HIDDEN, "product_owner": 409, "architect": 409}),
    Row("GET", _STORY[0] + "tasks/new/", 302, 403, _STORY[1] + "tasks/new/", _PLANS),
    Row("POST", _STORY[0] + "tasks/new/", 302, 403, _STORY[1] + "tasks/new/", _PLANNING),
    Row("GET", _TASK[0] + "edit/", 302, 403, _TASK[1] + "edit/", _PLANS),
    Row("POST", _TASK[0] + "edit/", 302, 403, _TASK[1] + "edit/", _PLANNING),
    *(row for thing in (_STORY, _TASK) for row in _page(thing, "comments/", 302, 422, viewer=403)),
    *(row for thing in (_STORY, _TASK) for row in _page(thing, "watch/", 302, 422)),
    *(row for thing in (_STORY, _TASK) for row in _page(thing, "labels/", 302, 302)),
    *(row for thing in (_STORY, _TASK) for row in _page(thing, "files/", 302, 422)),
    *(Row("GET", thing[0] + "activity/", 302, 200, thing[1] + "activity/", _HIDDEN) for thing in (_STORY, _TASK)),
    *_none("comments/<int:pk>/edit/", "GET POST", 302),
    *_none("comments/<int:pk>/delete/", "GET POST", 302),
    *_none("files/<int:pk>/", "GET", 302),
    *_none("files/<int:pk>/delete/", "GET POST", 302),
    *_page(_RUN, "", 302, 422),
    *_none(_CHANGE[0], "GET POST", 302),
]  # fmt: skip

COMFORT_API_ROWS = [
    Row("POST", "api/v1/stories/bulk/", 401, 422),
    Row("GET", "api/v1/stories/export/", 401, 200),
    _api(_STORY, "PUT", "assignee/", 422),
    *(_api(thing, "GET", "comments/", 200) for thing in (_STORY, _TASK)),
    *(_api(thing, "POST", "comments/", 422) for thing in (_STORY, _TASK)),
    *(_api(thing, "PUT", "labels/", 422) for thing in (_STORY, _TASK)),
    *(_api(thing, "PUT", "watch/", 422) for thing in (_STORY, _TASK)),
    *(_api(thing, "GET", "attachments/", 200) for thing in (_STORY, _TASK)),
    *(_api(thing, "POST", "attachments/", 415) for thing in (_STORY, _TASK)),
    *_none("api/v1/comments/<int:pk>/", "GET PATCH DELETE", 401),
    *_none("api/v1/labels/<int:pk>/", "GET PATCH DELETE", 401),
    *_none("api/v1/labels/<int:pk>/merge/", "POST", 401),
    *_none("api/v1/attachments/<int:pk>/", "GET DELETE", 401),
    *_none("api/v1/attachments/<int:pk>/content/", "GET", 401),
    *_none("api/v1/filters/<int:pk>/", "GET DELETE", 401),
    Row("GET", "api/v1/labels/", 401, 200),
    Row("POST", "api/v1/labels/", 401, 422),
    Row("GET", "api/v1/inbox/", 401, 200),
    Row("POST", "api/v1/inbox/read/", 401, 422),
    Row("GET", "api/v1/filters/", 401, 200),
    Row("POST", "api/v1/filters/", 401, 422),
    Row("GET", "api/v1/mentions/", 401, 200),
]
