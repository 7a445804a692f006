"""What the entry is called: a few wordings made from the task's title, of which the model takes one."""

from __future__ import annotations

import re
from dataclasses import replace

from gpu_workers.brief import TaskBrief
from gpu_workers.grounded.target import STEMS
from gpu_workers.grounded.text import words

_LEAD = re.compile(
    r"^(?:(?:docs?|documentation|faq|task|story)\s*[:–—-]\s*)?(?:please\s+)?"
    r"(?:add|create|write|document|describe|explain|extend|update|complete|include|insert|put|provide|note|mention|cover|define)"
    r"(?:\s+and\s+\w+)?\b\s*",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"\b(?:about|regarding|concerning|covering|describing|explaining|on the topic of)\s+(.+)$", re.IGNORECASE
)
_PLACE = re.compile(
    r"\s*\b(?:(?:in|to|into|of)\s+(?:(?:the|our|your|a)\s+)?(?:\w+\s+){0,2}?)?"
    r"(?:[\w./-]+\.(?:md|rst|txt|adoc)|faq|f\.a\.q\.|frequently asked questions|glossary|readme|handbook|manual|guide|"
    r"documentation|docs|runbook|help page)(?:\s+(?:page|file|document))?\b\s*$",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"^(?:(?:the|our)\s+)?(?:faq|glossary|readme|handbook|manual|guide|documentation|docs)\b\s*(?:with|by|:|about)\s+",
    re.IGNORECASE,
)
_KIND = re.compile(
    r"^(?:(?:a|an|the|one|our|new|short|missing|faq|glossary|readme|help|documentation)\s+)*"
    r"(?:entry|question|section|paragraph|term|definition|item|page|note|answer)?\s*(?:that\s+\w+s|answering|of|for|on|to|:)?\s*",
    re.IGNORECASE,
)
_QUOTED_QUESTION = re.compile(r"[\"“'‘`]([A-Z][^\"”`\n]{4,90}\?)[\"”'’`]")
_QUOTED_NAME = re.compile(
    r"(?:headed|titled|called|named|heading|title|term)\s*(?:is|:)?\s*[\"“`]([^\"”`\n]{2,90})[\"”`]", re.I
)
_QUESTION = re.compile(
    r"(?:^|[:.]\s+|\bquestion\s+)((?:what|how|when|where|which|who|why|can|do|does|is|are|may|will)\b[^?\n]{4,90}\?)",
    re.I,
)


def about(task: TaskBrief) -> TaskBrief:
    """The task under a title that says what it is about.

    A planner may have cut the title so short that nothing of the story is left in it, as "Extend the FAQ"; then the story's
    own stands for it, the first line of the brief.
    """
    own = task.brief.partition("\n")[0].strip()
    told = {*words(task.brief), *words(" ".join(task.acceptance)), *words(task.evidence)}
    if not _subject(own) or _subject(task.title) & told:
        return task
    return replace(task, title=own)


def _subject(title: str) -> set[str]:
    """What a title is about, without the words for kinds of documents."""
    return set(words(topic_of(title))) - STEMS.keys()


def topic_of(title: str) -> str:
    """What the title is about, as a noun phrase: 'Add an FAQ entry about returns' -> 'returns'."""
    rest = _LEAD.sub("", title.strip().rstrip(".!"))
    found = _ABOUT.search(rest)
    if found:
        rest = found[1]
    rest = _PLACE.sub("", rest).strip() or rest
    rest = _BEFORE.sub("", rest) or rest
    if not found:
        rest = _KIND.sub("", rest) or rest
    rest = re.sub(r"^(?:the|our|a|an|your)\s+(?=\S)", "", rest.strip(" \"'“”`:"), flags=re.IGNORECASE)
    return rest or title.strip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text if first.isupper() or any(char.isupper() for char in first[1:]) else text[:1].lower() + text[1:]


def headings_for(task: TaskBrief, *, question: bool) -> list[str]:
    """Wordings to choose from, the likeliest first. One that the task spells out is the only one."""
    for pattern in (_QUOTED_QUESTION, _QUESTION) if question else (_QUOTED_NAME,):
        for text in (task.title, task.brief, *task.acceptance):
            if found := pattern.search(text):
                return [_capital(found[1].strip())]
    if named := _QUOTED_NAME.search(task.text):
        return [named[1].strip()]
    topic = topic_of(task.title)
    if not question:
        return [_capital(topic)]
    if how_to := re.match(r"(?i)how\s+to\s+(.+)", topic):
        return [f"How do I {how_to[1]}?"]
    if re.match(r"(?i)(?:how|what|when|where|which|who|why)\s+\w+", topic):
        return [f"{_capital(topic)}?"]
    subject = _lower(topic)
    head = re.split(r"\s(?:for|of|to|in|on|from|with|at|by)\s", subject)[0]
    works = "How do {0} work?" if re.search(r"[^s]s$", head) or " and " in head else "How does {0} work?"
    return [
        f"What should I know about {subject}?",
        works.format(subject),
        f"What are the rules for {subject}?",
    ]
