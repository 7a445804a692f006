"""The tool around grounded writing: reads the workspace, offers what fits, writes what the model chose."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from gpu_workers.confined import PathRefused, confined_files, confined_read, confined_write
from gpu_workers.grounded.evidence import Candidate, Evidence, collect
from gpu_workers.grounded.heading import about, headings_for
from gpu_workers.grounded.layout import Entry, insert_entry, shape_of
from gpu_workers.grounded.target import find_target, is_document
from gpu_workers.tools.bounds import barred, readable
from gpu_workers.tools.contract import ActionClass, Schema, Sensitivity, ToolContext, ToolResult

MAX_DOCUMENT = 256 * 1024
MAX_DOCUMENTS = 400
LONGEST_LINE = 4_000
BLANKS = re.compile(r"[^\S\n]{201}")
"""A document with such lines is not written to: the patterns of layouts would take the square of their length."""
MEMORY = "grounded.json"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What could be written now, and where. `text` is the target without an entry of an earlier round."""

    target: str
    text: str
    evidence: Evidence
    headings: tuple[str, ...]


class _Unfit(Exception):
    """The file that the task names is there and cannot be added to: what is written would be all of it."""


@dataclass(frozen=True, slots=True)
class WriteGrounded:
    """Writes one documentation entry out of sentences of the evidence, word for word."""

    name: str = "write_grounded"
    description: str = "Write one documentation entry from sentences of the evidence, word for word."
    sensitivity: Sensitivity = Sensitivity.MEDIUM
    action_class: ActionClass = ActionClass.WRITE_WORKSPACE
    guided: bool = True

    def offered(self, ctx: ToolContext) -> bool:
        """Also where the file that the task names cannot be added to: whoever calls it is told why."""
        try:
            return _plan(ctx) is not None
        except _Unfit:
            return True

    def describe(self, ctx: ToolContext) -> str:
        try:
            plan = _plan(ctx)
        except _Unfit as unfit:
            return f"{self.description} {unfit}"
        if plan is None:
            return self.description
        return f"{self.description} It goes to {plan.target}. Choose the sentences that belong there, in a good order."

    def constrained_schema(self, ctx: ToolContext) -> Schema:
        """Enumerates the headings and sentences to choose from; engines that ignore `uniqueItems` may repeat some."""
        try:
            plan = _plan(ctx)
        except _Unfit:
            plan = None
        sentences: Schema = {"type": "string"}
        heading: Schema = {"type": "string"}
        most = 1
        if plan is not None:
            most = len(plan.evidence.candidates)
            sentences["enum"] = [candidate.text for candidate in plan.evidence.candidates]
            heading["enum"] = list(plan.headings)
        return {
            "type": "object",
            "properties": {
                "heading": heading,
                "sentences": {"type": "array", "items": sentences, "minItems": 1, "maxItems": most},
            },
            "required": ["heading", "sentences"],
            "additionalProperties": False,
        }

    def run(self, arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
        try:
            plan = _plan(ctx)
        except _Unfit as unfit:
            return ToolResult(False, str(unfit))
        if plan is None:
            return ToolResult(False, "There is no evidence, or no documentation file, to write to.")
        sentences = _chosen(arguments["sentences"], plan.evidence.candidates)
        entry = Entry(arguments["heading"], tuple(sentences))
        written = insert_entry(plan.text, entry, path=plan.target)
        memory = {"path": plan.target, "before": plan.text, "after": written}
        # Written first: should the worker die in between, the next attempt finds the same text before.
        (ctx.workspace.root / MEMORY).write_text(json.dumps(memory))
        confined_write(ctx.workspace.tree, plan.target, written.encode(), ctx.sandbox.owner)
        data = {"path": plan.target, "heading": entry.heading, "sentences": sentences}
        return ToolResult(
            True, f"Wrote {entry.heading!r} to {plan.target} from {len(sentences)} sentences.", data, True
        )


def _chosen(listed: list[str], candidates: tuple[Candidate, ...]) -> list[str]:
    """What the model listed, once each, and the essential ones that it left out, after their neighbours in the source."""
    chosen = list(dict.fromkeys(listed))
    texts = [candidate.text for candidate in candidates]
    for number, candidate in enumerate(candidates):
        if candidate.essential and candidate.text not in chosen:
            before = next((text for text in reversed(texts[:number]) if text in chosen), None)
            chosen.insert(chosen.index(before) + 1 if before else 0, candidate.text)
    return chosen


def _documents(ctx: ToolContext) -> dict[str, str]:
    """The documentation files of the workspace, by path. Those that are no text, or too big, are left out."""
    documents: dict[str, str] = {}
    for path in confined_files(ctx.workspace.tree):
        if is_document(path) and readable(path, ctx) and len(documents) < MAX_DOCUMENTS:
            try:
                documents[path] = _text(ctx, path)
            except (PathRefused, FileNotFoundError, _Unfit):
                continue
    return documents


def _text(ctx: ToolContext, path: str) -> str:
    """What a document says. Raises `_Unfit`, PathRefused, FileNotFoundError."""
    content = confined_read(ctx.workspace.tree, path, MAX_DOCUMENT + 1)
    if len(content) > MAX_DOCUMENT:
        raise _Unfit(f"Nothing is added to {path}: it is larger than {MAX_DOCUMENT // 1024} KiB. Name another file.")
    try:
        return content.decode()
    except UnicodeDecodeError as binary:
        raise _Unfit(f"Nothing is added to {path}: it is no text in UTF-8. Name another file.") from binary


def _text_there(ctx: ToolContext, path: str) -> str:
    """As `_text`, "" for a file that is not there yet. What is no regular file is none to add to, either."""
    try:
        return _text(ctx, path)
    except FileNotFoundError:
        return ""
    except PathRefused as refused:
        raise _Unfit(f"Nothing is added to {path}: {refused}") from refused


def _plan(ctx: ToolContext) -> _Plan | None:
    """Raises `_Unfit`."""
    documents = _documents(ctx)
    _without_earlier_entry(ctx, documents)
    task = about(ctx.task)
    target = find_target(task, documents, collect(task, documents, None).sources)
    if target is None or barred(target, ctx.files, ctx.path_rules):
        return None
    evidence = collect(task, documents, target)
    if not evidence.candidates:
        return None
    text = documents[target] if target in documents else _text_there(ctx, target)
    if max(map(len, text.split("\n"))) > LONGEST_LINE or BLANKS.search(text):
        return None
    shape = shape_of(text)
    headings = headings_for(task, question=shape is not None and shape.question)
    return _Plan(target, text, evidence, tuple(headings))


def _without_earlier_entry(ctx: ToolContext, documents: dict[str, str]) -> None:
    """Take out what an earlier round wrote, so that the entry is written again and not twice."""
    place = ctx.workspace.root / MEMORY
    try:
        memory = json.loads(place.read_text())
    except (FileNotFoundError, ValueError):
        return
    if documents.get(memory["path"]) == memory["after"]:
        documents[memory["path"]] = memory["before"]
