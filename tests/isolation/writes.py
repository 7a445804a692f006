"""Every route that writes, at the ids of things that are not the caller's: addresses, bodies and what is compared."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from django.db import connection
from django.db.models import Model
from django.test import Client

from gpu_workers.models import ChangeRemark
from guildhall.kernel.tenancy import tenant_scope
from tenants.models import ApiKey, Invitation
from tests.isolation.rooms import FOUND_BY, NAMED
from tests.support.permissions import Row
from tests.support.tenants import TestTenant
from workflows.models import Decision, Epic, Label, Notice, Strategy

NOWHERE: dict[str, Any] = {
    "story": "ZZZ-987654", "task": "ZZZ-987654.1", "project": "ZZZ", "int": 987654321, "slug": "nobodyatall",
}  # fmt: skip
"""What stands for nothing at all, by the kind of an open part."""

NO_IDS = {"consumer", "token", "session_id"}
"""Open parts that are the platform's own names, or secrets that are looked for by their digest alone."""

ROOMS: dict[str, type[Model]] = {**FOUND_BY, "api-keys": ApiKey, "invitations": Invitation, "remarks": ChangeRemark}
BODIES: dict[str, dict[str, Any]] = {
    "assignee/": {"assignee": ""},
    "comments/": {"text": "Mine now."},
    "comments/<int:pk>/": {"text": "Mine now."},
    "watch/": {"watching": True},
    "labels/": {"add": [], "remove": []},
    "labels/<int:pk>/": {"name": "Mine"},
    "transitions/": {"name": "submit"},
    "schedule/": {"cron": "0 9 * * MON", "timezone": "UTC", "template": {"title": "Mine {date}"}},
    "verdict/": {"verdict": "approved"},
    "decision/": {"decision": "approve", "feedback": "Mine now, all of it."},
    "revert/": {"reason": "Mine now, all of it."},
    "remarks/": {"commit_sha": "1" * 40, "path": "till.py", "line": 1, "text": "Mine now."},
    "remarks/<int:pk>/": {"text": "Mine now."},
    "lift/": {"reason": "Mine now, all of it."},
    "waive/": {"reason": "Mine now, all of it."},
    "proposal/": {"tasks": []},
    "order/": {"order": []},
}
"""By how a route ends, a body that its owner could send; without one it is empty. Forms send the same words."""


@dataclass(frozen=True)
class Aim:
    """One request: at a thing that is somebody's, and the same at nothing at all."""

    row: Row
    there: str
    nowhere: str

    def strip(self, text: str) -> str:
        """`text` without what differs between the two because they were asked for by name."""
        return without(text, [part for path in (self.there, self.nowhere) for part in path.split("/")])


def without(text: str, names: Iterable[Any]) -> str:
    """`text` with a star for each of `names`, the longest first."""
    known = sorted({str(name) for name in names if str(name)}, key=len, reverse=True)
    return re.sub("|".join(rf"\b{re.escape(name)}\b" for name in known), "*", text)


def aims(rows: Sequence[Row], victim: TestTenant, *, first: bool = False, but: Sequence[str] = ()) -> Iterator[Aim]:
    """The writing routes of `rows` with ids in them, at the victim's things.

    By id the newest thing of its kind is taken, with `first` the oldest; by reference every one, except those in `but`.
    """
    with tenant_scope(victim.schema):
        for row in rows:
            found = re.findall(r"(?:([\w-]+)/)?<(\w+):(\w+)>", row.route)
            if row.method == "GET" or not found or {name for _, _, name in found} & NO_IDS:
                continue
            unknown = [room for room, kind, _ in found if kind == "int" and room not in ROOMS]
            assert not unknown, f"say in tests/isolation/rooms.py what the ids of {unknown} stand for, and furnish one"
            choices = [_things(victim, room, kind, first=first, but=but) for room, kind, _ in found]
            assert all(choices), f"the victim has nothing for {row.route}"
            nothing = [NOWHERE.get(kind, "shop") for _, kind, _ in found]
            for chosen in product(*choices):
                yield Aim(row, _filled(row.route, chosen), _filled(row.route, nothing))


def _things(victim: TestTenant, room: str, kind: str, *, first: bool, but: Sequence[str]) -> list[Any]:
    if kind == "str":
        return ["shop"]
    if kind == "slug":
        return [victim.actor("viewer").id]
    if kind in NAMED:
        model, name = NAMED[kind]
        return [row for row in model._default_manager.values_list(name, flat=True) if row not in but]
    found = ROOMS[room]._default_manager.order_by("pk")
    row = found.first() if first else found.last()
    return [row.pk] if row else []


def _filled(route: str, values: Sequence[Any]) -> str:
    left = iter(values)
    return re.sub(r"<\w+:\w+>", lambda _: str(next(left)), route)


def answered(client: Client, row: Row, path: str, body: Mapping[str, Any]) -> tuple[int, str]:
    """The status and the words of an answer to a program (JSON) or to a form."""
    if row.route.startswith("api/"):
        answer = client.generic(
            row.method, f"/{path}", json.dumps(body), content_type="application/json", HTTP_IF_MATCH="*"
        )
        said = json.loads(answer.content) if answer.content else {}
        return answer.status_code, _words(said)
    form = {**body, "version": "", "csrfmiddlewaretoken": client.cookies["gh_csrf"].value}
    answer = client.post(f"/{path}", {name: value for name, value in form.items() if isinstance(value, str)})
    told = re.search(r'id="refused-h">.*?</p>', answer.content.decode(), re.S)
    return answer.status_code, told[0] if told else answer.headers.get("Location", "")


def _words(said: Any) -> str:
    """What an answer says, without the marks of its own request."""
    if not isinstance(said, dict):
        return str(said)
    return str({name: value for name, value in said.items() if name not in ("instance", "operation_id", "trace_id")})


def body_of(route: str) -> dict[str, Any]:
    """What its owner could send."""
    fits = [end for end in BODIES if route.endswith("/" + end)]
    return BODIES[max(fits, key=len)] if fits else {}


def in_bodies(theirs: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Requests to one's own things of project OWN that name `theirs` (by kind) in their bodies: method, path, body."""
    story, epic, strategy, project = (theirs[kind] for kind in ("story", "epic", "strategy", "project"))
    yield "POST", "stories/", {"project": project, "title": "Mine"}
    yield "POST", "sprints/", {"project": project, "name": "Mine"}
    yield "POST", "epics/", {"project": project, "title": "Mine"}
    yield "POST", "epics/", {"project": "OWN", "title": "Mine", "strategy": strategy}
    yield "POST", "strategies/", {"project": project, "goal": "Mine"}
    yield "PATCH", "epics/1/", {"strategy": strategy}
    yield "PUT", "epics/1/stories/order/", {"order": [story]}
    yield "PUT", "projects/OWN/epics/order/", {"order": [epic]}
    for place in ({"epic": epic}, {"strategy": strategy}, {"depends_on": [story]}):
        yield "POST", "stories/", {"project": "OWN", "title": "Mine", **place}
        yield "PATCH", "stories/OWN-1/", place
    yield "PUT", "stories/OWN-1/tasks/order/", {"order": [f"{story}.1"]}
    yield "PUT", "stories/OWN-1/labels/", {"labels": [theirs["label"]]}
    yield "PUT", "stories/OWN-1/assignee/", {"assignee": f"person:{theirs['person']}"}
    yield "POST", "stories/bulk/", {"stories": [story], "do": "move", "value": "submit"}
    yield "POST", "stories/bulk/", {"stories": ["OWN-1"], "do": "label", "value": str(theirs["label"])}
    yield "POST", "stories/bulk/", {"stories": ["OWN-1"], "do": "assign", "value": f"person:{theirs['person']}"}
    yield "POST", "labels/1/merge/", {"into": theirs["label"]}
    yield "POST", "sprints/1/stories/", {"story": story}
    yield "POST", "decisions/1/supersede/", {"by": theirs["decision"]}
    yield "POST", "inbox/read/", {"id": theirs["notice"]}


def things(victim: TestTenant) -> dict[str, Any]:
    """What `in_bodies` may name of the victim's: the newest of each kind."""
    models = {"epic": Epic, "strategy": Strategy, "label": Label, "decision": Decision, "notice": Notice}
    with tenant_scope(victim.schema):
        found: dict[str, Any] = {kind: model._default_manager.latest("pk").pk for kind, model in models.items()}
    return {**found, "story": "SHOP-1", "project": "SHOP", "person": victim.actor("viewer").id}


NO_THINGS = {
    **dict.fromkeys(("epic", "strategy", "label", "decision", "notice"), NOWHERE["int"]),
    "story": NOWHERE["story"], "project": NOWHERE["project"], "person": NOWHERE["slug"],
}  # fmt: skip


def fingerprint(tenant: TestTenant) -> dict[str, str]:
    """Every table of the tenant's schema, by a digest of all its rows."""
    with tenant_scope(tenant.schema), connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [tenant.schema])
        tables = sorted(row[0] for row in cursor.fetchall())
        digest = "SELECT '{0}', md5(coalesce(string_agg(r::text, '' ORDER BY r::text), '')) FROM \"{0}\" r"
        cursor.execute(" UNION ALL ".join(digest.format(table) for table in tables))
        return dict(cursor.fetchall())
