"""GitHub Issues of one repository, over the REST API."""

from __future__ import annotations

import re
from typing import Any

from gpu_workers.forges.rest import Api
from gpu_workers.trackers.protocol import MOST, TEXT, TITLE, Acting, Issue, Update
from guildhall.kernel.errors import Invalid, Unavailable
from guildhall.kernel.redaction import redact

KEY = re.compile(r"[1-9][0-9]{0,8}")


class GitHubIssues:
    """The issues of `owner/name`. Pull requests, which GitHub lists among them, are none."""

    def __init__(self, api: Api, full_name: str) -> None:
        self._api, self._path = api, f"/repos/{full_name}"

    def check(self) -> None:
        found = self._api.call("GET", self._path, allowed=(401, 403, 404))
        if found.status != 200:
            raise Invalid("GitHub knows no such repository, or the token may not see it.")
        if not found.record().get("has_issues", True):
            raise Invalid("This repository keeps no issues.")

    def issues(self) -> list[Issue]:
        found: list[Issue] = []
        for item in self._api.pages(f"{self._path}/issues?state=open&sort=updated&direction=desc"):
            if "pull_request" not in item:
                found.append(_issue(item))
            if len(found) == MOST:
                break
        return found

    def update(self, key: str, wanted: Update, acting: Acting) -> list[str]:
        path = self._issue_path(key)
        there = self._api.call("GET", path, allowed=(404, 410))
        if there.status != 200 or "pull_request" in there.record():
            raise Invalid(f"There is no issue {key}.")
        now, done = there.record(), list[str]()

        def act(words: str, method: str, at: str, content: dict[str, Any]) -> None:
            acting(words)
            self._api.call(method, at, content)
            done.append(words)

        if wanted.comment and not self._said(path, wanted.comment):
            act("commented", "POST", f"{path}/comments", {"body": wanted.comment})
        lacking = [label for label in wanted.labels if label.lower() not in {name.lower() for name in _labels(now)}]
        if lacking:
            act(f"labelled {', '.join(lacking)}", "POST", f"{path}/labels", {"labels": lacking})
        if wanted.close and now.get("state") != "closed":
            act("closed", "PATCH", path, {"state": "closed", "state_reason": "completed"})
        return done

    def _issue_path(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise Invalid(f"{key[:40]!r} is no issue of GitHub.")
        return f"{self._path}/issues/{key}"

    def _said(self, path: str, words: str) -> bool:
        return any(str(item.get("body") or "").strip() == words.strip() for item in self._api.pages(f"{path}/comments"))


def _issue(item: dict[str, Any]) -> Issue:
    try:
        return Issue(
            key=str(int(item["number"])),
            title=redact(str(item["title"]))[:TITLE],
            text=redact(str(item.get("body") or ""))[:TEXT],
            url=str(item.get("html_url") or "")[:300],
            state=str(item.get("state", ""))[:40],
            labels=tuple(name[:60] for name in _labels(item)[:20]),
        )
    except (KeyError, TypeError, ValueError) as garbled:
        raise Unavailable("GitHub's answer is no list of issues.") from garbled


def _labels(item: dict[str, Any]) -> list[str]:
    """GitHub gives labels as objects, and those of old as plain names."""
    given = item.get("labels") or []
    return [str(label.get("name", "") if isinstance(label, dict) else label) for label in given]
