"""A server that speaks the part of Linear's GraphQL API that we use: one address, variables, pages by cursor, errors with codes.

Two teams: `TILL`, and `PAY`, which nobody here works for. What is asked for is found by the root field of the query; a root
field that Linear does not have is refused as Linear does. `limited` refuses that many calls, `garbled` answers them with
another form. Every root field is journaled, without the key.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.fakes.serving import Answering, Serving

KEY = "lin_api_" + "0a1b2c3d4e5f6a7b8c9d"
TEAMS = {"TILL": "team-1", "PAY": "team-2"}
PAGE = 2
ROOT = re.compile(r"\{\s*(\w+)\s*[({]")
Variables = dict[str, Any]


class LinearServer(Serving):
    """`url` is where questions go."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.url = f"{self.at}/graphql"
        self.issues: dict[str, dict[str, Any]] = {}
        self.labels: list[dict[str, Any]] = [
            {"id": "label-1", "name": "bug", "team": None},
            {"id": "label-2", "name": "planned", "team": {"id": "team-1"}},
            {"id": "label-3", "name": "theirs", "team": {"id": "team-2"}},
        ]
        self.journal: list[str] = []
        self.limited = self.garbled = 0

    def report(self, title: str, text: str, *labels: str, team: str = "TILL") -> str:
        """Open an issue; its identifier."""
        name = f"{team}-{len(self.issues) + 1}"
        self.issues[name] = {
            "id": f"id-{name}", "identifier": name, "title": title, "description": text,
            "url": f"https://linear.app/fernhill/issue/{name}", "state": {"name": "Todo", "type": "unstarted"},
            "labels": {"nodes": [label for label in self.labels if label["name"] in labels]},
            "team": {"id": TEAMS[team], "key": team}, "comments": {"nodes": []},
        }  # fmt: skip
        return name

    def answer(self, query: str, given: Variables) -> dict[str, Any]:
        """As POST /graphql answers a call with the right key."""
        found = ROOT.search(query)
        field = found[1] if found else ""
        verbs: dict[str, Callable[[Variables], Any]] = {
            "teams": self._teams,
            "issues": self._listed,
            "issue": self._one,
            "issueLabels": lambda v: {"nodes": [one for one in self.labels if one["name"] in v["names"]]},
            "workflowStates": lambda v: {"nodes": [{"id": "late", "position": 9}, {"id": "done", "position": 3}]},
            "commentCreate": self._comment,
            "issueUpdate": self._change,
        }
        self.journal.append(field)
        if field not in verbs:
            return _error("GRAPHQL_VALIDATION_FAILED", f'Cannot query field "{field}".')
        data = verbs[field](given)
        return data if "errors" in (data or {}) else {"data": {field: data}}

    def _teams(self, given: Variables) -> dict[str, Any]:
        return {"nodes": [{"id": TEAMS[key], "key": key} for key in TEAMS if key == given["team"]]}

    def _listed(self, given: Variables) -> dict[str, Any]:
        rows = [one for one in reversed(self.issues.values()) if one["team"]["key"] == given["team"]]
        rows = [one for one in rows if one["state"]["type"] not in ("completed", "canceled")]
        start = int(given["after"] or 0)
        end = start + min(PAGE, given["first"])
        return {"nodes": rows[start:end], "pageInfo": {"hasNextPage": end < len(rows), "endCursor": str(end)}}

    def _one(self, given: Variables) -> dict[str, Any]:
        return self.issues.get(given["id"]) or _error("INPUT_ERROR", "Entity not found: Issue")

    def _comment(self, given: Variables) -> dict[str, Any]:
        wanted = given["input"]
        self._by_id(wanted["issueId"])["comments"]["nodes"].append({"body": wanted["body"]})
        return {"success": True}

    def _change(self, given: Variables) -> dict[str, Any]:
        issue, wanted = self._by_id(given["id"]), given["input"]
        added = wanted.get("addedLabelIds", [])
        issue["labels"]["nodes"] += [label for label in self.labels if label["id"] in added]
        if wanted.get("stateId") == "done":
            issue["state"] = {"name": "Done", "type": "completed"}
        return {"success": True}

    def _by_id(self, name: str) -> dict[str, Any]:
        return next(issue for issue in self.issues.values() if issue["id"] == name)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code}}], "data": None}


class _Handler(Answering):
    fake: LinearServer
    protocol_version = "HTTP/1.0"

    def take(self) -> None:
        body, fake = json.loads(self.body()), self.fake
        if self.headers.get("Authorization") != KEY or self.headers.get("Content-Type") != "application/json":
            self.tell(401, _error("AUTHENTICATION_ERROR", "Authentication required, not authenticated"))
        elif fake.limited > 0:
            fake.limited -= 1
            self.tell(400, _error("RATELIMITED", "Rate limit exceeded"))
        elif fake.garbled > 0:
            fake.garbled -= 1
            self.tell(200, {"data": {"issues": [], "issue": {"id": 7}}})
        else:
            said = fake.answer(body["query"], body["variables"])
            self.tell(400 if "GRAPHQL_VALIDATION_FAILED" in str(said.get("errors")) else 200, said)
