"""A planner's proposal: asked for under a schema, checked, asked for once more with what was wrong, then given up."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from guildhall.kernel.fencing import held
from guildhall.kernel.texts import Unreadable, read_json
from workflows.planning.drafts import RISKS, SIZES, Planning, TaskDraft, problems_of

Complete = Callable[[list[dict[str, str]], dict[str, Any]], str]
"""`complete(messages, schema) -> text`: one model call; messages have `role` and `content`."""

ATTEMPTS = 2
MAX_BY_SIZE = {"XS": 1, "S": 1, "M": 3, "L": 5, "XL": 8}
TITLE_PATTERN = "^[A-Z][A-Za-z0-9 ,'-]{6,58}$"
"""Short and plain: a small model under a grammar wanders off in long free text."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A plan that can be accepted as it is, after one or two attempts."""

    drafts: tuple[TaskDraft, ...]
    attempts: int


@dataclass(frozen=True, slots=True)
class DerivationFailed:
    """No usable plan after the retry; `problems` and `raw` are those of the last attempt."""

    problems: tuple[str, ...]
    raw: str
    attempts: int


def derive(complete: Complete, story: Planning, system: str) -> Derived | DerivationFailed:
    """Ask `complete` for a plan of `story`, at most twice; `system` says to it what a planner does.

    What `complete` raises goes through to the caller.
    """
    schema = proposal_schema(story)
    messages = [{"role": "system", "content": system}, {"role": "user", "content": prompt(story)}]
    problems: list[str] = []
    raw = ""
    for attempt in range(1, ATTEMPTS + 1):
        raw = complete(list(messages), schema)
        drafts, problems = read_proposal(raw, story, schema)
        if not problems:
            return Derived(tuple(drafts), attempt)
        complaint = "That cannot be used:\n" + "\n".join(problems[:5]) + "\nAnswer again with corrected JSON only."
        messages += [{"role": "assistant", "content": raw[:4000]}, {"role": "user", "content": complaint}]
    return DerivationFailed(tuple(problems), raw[:4000], ATTEMPTS)


def proposal_schema(story: Planning) -> dict[str, Any]:
    """JSON schema of a proposal for this story.

    Criteria and other tasks are named by number, so that a model cannot reword them, those that stand by reference. Only
    plain `items` are used: engines that build a grammar from the schema know no tuples with an end.
    """
    limit = MAX_BY_SIZE.get(story.size, MAX_BY_SIZE["M"])
    return {
        "type": "object",
        "properties": {
            "tasks": {
                "type": "array",
                "items": _task_schema(story, limit),
                "minItems": 1,
                "maxItems": limit,
            }
        },
        "required": ["tasks"],
        "additionalProperties": False,
    }


def _task_schema(story: Planning, limit: int) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "title": {"type": "string", "pattern": TITLE_PATTERN},
        "role": {"enum": list(story.roles)},
        "size": {"enum": list(SIZES)},
        "risk": {"enum": list(RISKS)},
    }
    if limit > 1 and story.open_criteria:
        properties["criteria"] = _numbers(len(story.open_criteria), at_least=1)
        properties["depends_on"] = _numbers(limit - 1, at_least=0)
    if story.standing:
        references = [task.ref for task in story.standing]
        properties["needs"] = {"type": "array", "items": {"enum": references}, "maxItems": len(references)}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _numbers(highest: int, *, at_least: int) -> dict[str, Any]:
    return {
        "type": "array",
        "items": {"enum": list(range(1, highest + 1))},
        "minItems": at_least,
        "maxItems": highest,
    }


def prompt(story: Planning) -> str:
    """The user message: what the story asks for, its open criteria numbered, and what of it is done or under way."""
    criteria = "\n".join(f"{number}. {line}" for number, line in enumerate(story.open_criteria, 1))
    said = f"Title: {story.title}\n{story.brief}\nCriteria:\n{criteria}"
    if not story.standing:
        return f"<story>\n{held(said, 'story')}\n</story>\nList the tasks."
    stands = "\n".join(f"- {task.ref} {task.title} ({task.how})" for task in story.standing)
    said = held(f"{said}\nDone or under way already:\n{stands}", "story")
    return (
        f"<story>\n{said}\n</story>\nList only the tasks that are missing beside those done or under way; "
        "under needs, name those of them that a task has to wait for."
    )


def read_proposal(raw: str, story: Planning, schema: dict[str, Any]) -> tuple[list[TaskDraft], list[str]]:
    """The drafts in a model's answer and what is wrong with it; no drafts when it does not fit the schema."""
    try:
        answer = read_json(raw)
    except Unreadable as error:
        return [], [f"The answer cannot be used: {error}"]
    errors = sorted(Draft202012Validator(_any_order(schema)).iter_errors(answer), key=lambda error: list(error.path))
    if errors:
        return [], [
            f"{'/'.join(str(step) for step in error.path) or 'answer'}: {error.message[:200]}" for error in errors
        ]
    alone = len(answer["tasks"]) == 1
    drafts = [_draft(task, story, alone=alone) for task in answer["tasks"]]
    return drafts, [*_repeated(drafts, story), *problems_of(drafts, criteria=story.open_criteria)]


def _repeated(drafts: list[TaskDraft], story: Planning) -> list[str]:
    stands = {task.title.strip().casefold(): task for task in story.standing}
    return [
        f"Task {number} repeats {stands[draft.title.casefold()].ref}, which is {stands[draft.title.casefold()].how}."
        for number, draft in enumerate(drafts, 1)
        if draft.title.casefold() in stands
    ]


def _any_order(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema for engines that do not obey it to the letter: order is free, circles are named by the checks."""
    tasks = schema["properties"]["tasks"]
    last = json.loads(json.dumps(tasks["items"]))
    last["properties"]["depends_on"] = {"type": "array", "items": {"type": "integer"}, "maxItems": tasks["maxItems"]}
    last["properties"]["title"] = {"type": "string"}
    last["required"] = ["title", "role"]
    loose = {"type": "array", "items": last, "minItems": 1, "maxItems": tasks["maxItems"]}
    return {**schema, "properties": {"tasks": loose}}


def _draft(task: dict[str, Any], story: Planning, *, alone: bool) -> TaskDraft:
    """A task that stands alone answers for the whole story."""
    numbers = range(1, len(story.open_criteria) + 1) if alone else sorted(set(task.get("criteria", [])))
    return TaskDraft(
        title=task["title"].strip(),
        role=task["role"],
        acceptance=tuple(story.open_criteria[number - 1] for number in numbers),
        depends_on=tuple(sorted(set(task.get("depends_on", [])))),
        size=task.get("size", "S"),
        risk=task.get("risk", "low"),
        needs=tuple(sorted(set(task.get("needs", [])))),
    )
