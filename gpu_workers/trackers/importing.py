"""Issues as a PM agent is shown them, and what it may propose of them. Pure; no Django."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpu_workers.trackers.protocol import Issue

ISSUES = "issues"
SUMMARY = {"type": "string", "minLength": 10, "maxLength": 600}
REASON = {"type": "string", "minLength": 5, "maxLength": 300}
NAME = {"type": "string", "minLength": 5, "maxLength": 200}


@dataclass(frozen=True, slots=True)
class IssueList:
    """The tracker's open issues as they were when the run looked. `stories` says what those became that were imported."""

    place: str
    issues: tuple[Issue, ...]
    stories: Mapping[str, str] = field(default_factory=dict)
    priorities: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()

    def issue(self, key: str) -> Issue | None:
        return next((issue for issue in self.issues if issue.key == key), None)

    def new(self) -> list[str]:
        """Keys of those that are no story yet."""
        return [issue.key for issue in self.issues if issue.key not in self.stories]


def answer_schema(there: IssueList) -> dict[str, Any]:
    """The form of the answer; only issues of this list that are no story yet can be named."""
    new = there.new()
    entry = {
        "type": "object",
        "properties": {
            "issue": {"type": "string", "enum": new} if new else {"type": "string", "maxLength": 40},
            "title": NAME,
            "size": {"enum": list(there.sizes)},
            "priority": {"enum": list(there.priorities)},
            "reason": REASON,
        },
        "required": ["issue", "title", "priority", "reason"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "summary": SUMMARY,
            ISSUES: {"type": "array", "items": entry, "maxItems": len(new)},
        },
        "required": ["summary", ISSUES],
        "additionalProperties": False,
    }


def twice(answer: Mapping[str, Any]) -> list[str]:
    """What is wrong with an answer of the right form, in words."""
    named = [entry["issue"] for entry in answer[ISSUES]]
    more = sorted({key for key in named if named.count(key) > 1})
    return [f"Named more than once: {', '.join(more)}."] if more else []


def stale(content: Mapping[str, Any], stories: Mapping[str, str]) -> list[str]:
    """Why a proposal cannot be accepted any more: what it would import is a story by now."""
    known = [entry["issue"] for entry in content[ISSUES] if entry["issue"] in stories]
    return [f"{key} was imported as {stories[key]}." for key in known]


def with_sources(answer: Mapping[str, Any], there: IssueList, source: Mapping[str, str]) -> dict[str, Any]:
    """The answer with what each issue says, as people decide on it and as it is imported."""
    entries = []
    for entry in answer[ISSUES]:
        issue = there.issue(entry["issue"])
        assert issue is not None, "the schema lets no other be named"
        entries.append({**entry, "was": issue.title, "text": issue.text, "url": issue.url})
    return {**answer, ISSUES: entries, "source": dict(source)}
