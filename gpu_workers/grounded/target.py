"""Where the entry goes: a documentation file that the task names, or the one that fits it best."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from gpu_workers.brief import TaskBrief
from gpu_workers.grounded.evidence import NAMED_FILE
from gpu_workers.grounded.text import stem, words

DOCUMENTS = (".md", ".markdown", ".rst", ".txt", ".adoc")
NEVER = re.compile(
    r"(?:^|/)(?:licen[cs]e|notice|authors|codeowners|requirements[\w.-]*|robots|cmakelists|ci-report)\b", re.I
)
CODE_FILE = re.compile(r"\b[\w/-]+\.(?:py|js|ts|tsx|go|rs|java|c|h|cpp|rb|php|sh|sql|html|css|ya?ml|toml|json)\b")
KINDS = {
    "faq": ("faq", "faqs", "question", "frequently", "asked", "help"),
    "question": ("faq", "faqs", "question", "frequently", "asked"),
    "glossary": ("glossary", "terms", "definition"),
    "readme": ("readme",),
    "handbook": ("handbook",),
    "manual": ("manual",),
    "guide": ("guide",),
    "runbook": ("runbook",),
    "tutorial": ("tutorial",),
    "changelog": ("changelog", "changes", "history"),
    "troubleshooting": ("troubleshooting", "problem"),
    "documentation": ("docs", "documentation"),
    "docs": ("docs", "documentation"),
    "document": (),
}
"""Words for kinds of documents in a title, and what such files are called."""
STEMS = {stem(name): frozenset(stem(word) for word in called) for name, called in KINDS.items()}
ENOUGH = 4.0


def is_document(path: str) -> bool:
    return path.lower().endswith(DOCUMENTS) and not NEVER.search(path)


def find_target(task: TaskBrief, documents: Mapping[str, str], sources: frozenset[str] = frozenset()) -> str | None:
    """The path to write to, which need not exist where the task names it; None where this is no documentation task.

    `sources` hold the evidence and are only taken where the task names them.
    """
    named_in_title = _named(task.title, documents)
    if named_in_title:
        return named_in_title
    kinds = [STEMS[word] for word in words(task.title) if word in STEMS]
    named = _named("\n".join((task.brief, *task.acceptance)), documents)
    if named and (kinds or not CODE_FILE.search(task.text)):
        return named
    if not kinds or CODE_FILE.search(task.title):
        return None
    scored = {path: _fit(task, kinds, path, text) for path, text in documents.items() if path not in sources}
    best = max(scored, key=lambda path: (scored[path], -len(path)), default=None)
    return best if best is not None and scored[best] >= ENOUGH else None


def _named(text: str, documents: Mapping[str, str]) -> str | None:
    """The first documentation path in the text: one that exists, or a new one in a plain folder."""
    fresh = None
    for name in NAMED_FILE.findall(text):
        name = name.removeprefix("./").lstrip("/")
        present = [path for path in documents if path == name or path.endswith("/" + name)]
        if present and is_document(present[0]):
            return min(present, key=len)
        if fresh is None and "/" in name and ".." not in name and is_document(name):
            fresh = name
    return fresh


def _fit(task: TaskBrief, kinds: list[frozenset[str]], path: str, text: str) -> float:
    """Points for a file whose name, title or headings say what the task says."""
    wanted = set(words(task.title))
    name = set(words(re.sub(r"[-_./]", " ", str(PurePosixPath(path).with_suffix("")))))
    headings = re.findall(r"^(?:#{1,6}|={1,6})\s+(.*)$", text, re.MULTILINE)
    headings += re.findall(r"^(\S.*)\n[=\-~^]{3,}\s*$", text, re.MULTILINE)
    first = set(words(headings[0])) if headings else set()
    points = 0.0
    for kind in kinds:
        points += 6.0 if kind & name else 5.0 if kind & first else 0.0
    points += 1.5 * len(wanted & name) + 1.0 * len(wanted & first)
    points += 0.2 * sum(1 for heading in headings[1:] if wanted & set(words(heading)))
    questions = sum(1 for heading in headings if heading.rstrip().endswith("?"))
    return points + (1.0 if questions >= 2 and STEMS["faq"] in kinds else 0.0)
