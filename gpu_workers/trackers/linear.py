"""Issues of one team at Linear, over its GraphQL API: one address, every call a POST, errors also with status 200."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gpu_workers.forges.addresses import Network
from gpu_workers.forges.rest import LONGEST_REST_S, Answer, send
from gpu_workers.trackers.protocol import MOST, TEXT, TITLE, Acting, Issue, Update
from guildhall.kernel.errors import Invalid, RateLimited, Unavailable
from guildhall.kernel.redaction import redact

TEAM = re.compile(r"[A-Z][A-Z0-9]{0,9}")
PAGE = 30
OPEN = '{type: {nin: ["completed", "canceled"]}}'
TEAMS = "query Teams($team: String!) { teams(filter: {key: {eq: $team}}) { nodes { id key } } }"
ISSUES = f"""query Issues($team: String!, $first: Int!, $after: String) {{
  issues(first: $first, after: $after, orderBy: updatedAt, filter: {{team: {{key: {{eq: $team}}}}, state: {OPEN}}}) {{
    nodes {{ identifier title description url state {{ name }} labels {{ nodes {{ name }} }} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}"""
ISSUE = """query Issue($id: String!) {
  issue(id: $id) {
    id team { id key } state { type } labels { nodes { id name } } comments(last: 100) { nodes { body } }
  }
}"""
LABELS = """query Labels($names: [String!]!) {
  issueLabels(first: 100, filter: {name: {in: $names}}) { nodes { id name team { id } } }
}"""
STATES = """query States($team: ID!) {
  workflowStates(filter: {team: {id: {eq: $team}}, type: {eq: "completed"}}) { nodes { id position } }
}"""
COMMENT = "mutation Comment($input: CommentCreateInput!) { commentCreate(input: $input) { success } }"
CHANGE = """mutation Change($id: String!, $input: IssueUpdateInput!) {
  issueUpdate(id: $id, input: $input) { success }
}"""


class Linear:
    """The issues of the team with this key. `token` is a personal API key, or an OAuth token with `Bearer ` before it."""

    def __init__(self, url: str, token: str, team: str, *, loopback: bool, private: Sequence[Network] = ()) -> None:
        self._url, self._token, self._team = url, token, team
        self._loopback, self._private = loopback, private

    def check(self) -> None:
        with _readable():
            teams = self._ask(TEAMS, {"team": self._team})["teams"]["nodes"]
        if not teams:
            raise Invalid("Linear knows no such team, or the key may not see it.")

    def issues(self) -> list[Issue]:
        found: list[Issue] = []
        after: str | None = None
        with _readable():
            while len(found) < MOST:
                page = self._ask(ISSUES, {"team": self._team, "first": PAGE, "after": after})["issues"]
                found += map(_issue, page["nodes"])
                after = page["pageInfo"]["endCursor"]
                if not page["pageInfo"]["hasNextPage"] or not page["nodes"]:
                    break
        return found[:MOST]

    def update(self, key: str, wanted: Update, acting: Acting) -> list[str]:
        with _readable():
            return self._brought(key, wanted, acting)

    def _brought(self, key: str, wanted: Update, acting: Acting) -> list[str]:
        now, done = self._found(key), list[str]()
        change: dict[str, Any] = {}
        changed = list[str]()
        present = {label["name"].lower() for label in now["labels"]["nodes"]}
        if lacking := [name for name in wanted.labels if name.lower() not in present]:
            change["addedLabelIds"] = self._label_ids(lacking, now["team"]["id"])
            changed.append(f"labelled {', '.join(lacking)}")
        if wanted.close and now["state"]["type"] not in ("completed", "canceled"):
            change["stateId"] = self._closed(now["team"]["id"])
            changed.append("closed")
        said = [comment["body"].strip() for comment in now["comments"]["nodes"]]
        if wanted.comment and wanted.comment.strip() not in said:
            acting("commented")
            self._ask(COMMENT, {"input": {"issueId": now["id"], "body": wanted.comment}})
            done.append("commented")
        if change:
            acting(" and ".join(changed))
            self._ask(CHANGE, {"id": now["id"], "input": change})
        return done + changed

    def _found(self, key: str) -> dict[str, Any]:
        """One issue of this team: a key may see the whole workspace, an agent works for one team of it."""
        if not re.fullmatch(rf"{re.escape(self._team)}-[1-9][0-9]{{0,8}}", key):
            raise Invalid(f"{key[:40]!r} is no issue of {self._team}.")
        found: dict[str, Any] | None = self._ask(ISSUE, {"id": key})["issue"]
        if found is None or found["team"]["key"] != self._team:
            raise Invalid(f"There is no issue {key}.")
        return found

    def _label_ids(self, names: Sequence[str], team: str) -> list[str]:
        """Labels of the team or of the whole workspace. Linear makes none up, and neither do we."""
        nodes = self._ask(LABELS, {"names": list(names)})["issueLabels"]["nodes"]
        ids = {node["name"].lower(): node["id"] for node in nodes if (node["team"] or {"id": team})["id"] == team}
        if missing := [name for name in names if name.lower() not in ids]:
            raise Invalid(f"Linear has no label {', '.join(missing)[:200]}.")
        return [ids[name.lower()] for name in names]

    def _closed(self, team: str) -> str:
        states = self._ask(STATES, {"team": team})["workflowStates"]["nodes"]
        if not states:
            raise Invalid("This team has no state that means completed.")
        return str(min(states, key=lambda state: state["position"])["id"])

    def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": self._token, "Content-Type": "application/json", "Accept": "application/json"}
        content = json.dumps({"query": query, "variables": variables}).encode()
        found = send("POST", self._url, headers, content, loopback=self._loopback, private=self._private)
        said = _object(found)
        if said.get("errors"):
            _raise(found, said["errors"])
        if found.status != 200 or not isinstance(said.get("data"), dict):
            raise Unavailable(f"Linear answers with status {found.status}.")
        data: dict[str, Any] = said["data"]
        if any(isinstance(part, dict) and part.get("success") is False for part in data.values()):
            raise Unavailable("Linear did not do it.")
        return data


@contextmanager
def _readable() -> Iterator[None]:
    """What Linear says is somebody else's: an answer of another form is no fault of ours."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as garbled:
        raise Unavailable("Linear's answer cannot be read.") from garbled


def _object(found: Answer) -> dict[str, Any]:
    try:
        return found.record()
    except Unavailable:
        return {}


def _raise(found: Answer, errors: Any) -> None:
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code = str((first.get("extensions") or {}).get("code", "")).upper()
    if code == "RATELIMITED":
        reset = found.headers.get("x-ratelimit-requests-reset", "")
        seconds = float(reset) / 1000 - time.time() if reset.isdecimal() else 60.0
        raise RateLimited("Linear allows no more calls for now.", retry_after=min(max(seconds, 1.0), LONGEST_REST_S))
    words = redact(str(first.get("message", "")))[:200]
    if code in ("AUTHENTICATION_ERROR", "FORBIDDEN", "INPUT_ERROR", "ENTITY_NOT_FOUND"):
        raise Invalid(f"Linear refuses it: {words or code.lower()}.")
    raise Unavailable(f"Linear could not do it: {words or found.status}.")


def _issue(node: dict[str, Any]) -> Issue:
    return Issue(
        key=str(node["identifier"])[:40],
        title=redact(str(node["title"]))[:TITLE],
        text=redact(str(node.get("description") or ""))[:TEXT],
        url=str(node.get("url") or "")[:300],
        state=str(node["state"]["name"])[:40],
        labels=tuple(str(label["name"])[:60] for label in node["labels"]["nodes"][:20]),
    )
