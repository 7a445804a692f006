"""Which sentences may be written: the task's evidence first, then the repository's documents, and what CI said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gpu_workers.brief import TaskBrief
from gpu_workers.grounded.text import Bm25, Section, plain, sections_of, split_sentences, words

MAX_CANDIDATES = 10
RESERVE = 3
NAMED_FILE = re.compile(r"[\w./-]*[\w-]\.(?:md|markdown|rst|txt|adoc)\b")
_CITED = re.compile(
    r"^\s*[\[(]?(?:source|from|see|evidence)?:?\s*[`\"]?[\w./-]+\.(?:md|markdown|rst|txt|adoc)[`\"]?"
    r"(?:[:#]\S+)?[\])]?\s*(?:says)?\s*[:–—-]\s+",
    re.IGNORECASE,
)
_CITED_AFTER = re.compile(
    r"\s*(?:[–—-]|[\[(])\s*(?:source:?|from|see)?\s*`?[\w./-]+\.(?:md|markdown|rst|txt|adoc)`?(?:[:#]\S+)?[\])]?\.?\s*$",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"missing|not found|lacks?\b|expected|required?\b|should|must\b|does(?:n't| not) (?:say|mention)|no \w+ about", re.I
)
_UNWANTED = re.compile(
    r"not (?:in|from|part of|covered by|backed by|allowed|supported|grounded)|unsupported|unexpected"
    r"|invented|unknown|forbidden"
    r"|must not|should not|does not belong|not evidence|extra\b|remove",
    re.I,
)
_QUOTED = re.compile(r"[\"“'‘`]([^\"”'’`]{3,200})[\"”'’`]")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence that may be written. `essential` ones are written whether the model lists them or not."""

    text: str
    source: str
    essential: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    candidates: tuple[Candidate, ...]
    sources: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Reported:
    missing: tuple[str, ...]
    unwanted: tuple[str, ...]


def collect(task: TaskBrief, documents: Mapping[str, str], target: str | None) -> Evidence:
    """The sentences to choose from, in the order of their sources. `documents` are texts by path.

    The target document is no source: what it says already is not said again.
    """
    others = {path: text for path, text in documents.items() if path != target}
    sections = [section for path, text in sorted(others.items()) for section in sections_of(text, path)]
    reported = _reported(task.ci_output)
    chosen = _from_task(task, others, sections) or _from_repository(task, sections)
    present = plain(documents.get(target or "", ""))
    chosen = [candidate for candidate in chosen if candidate.text not in present]
    chosen = _raise_missing(chosen, sections, task, reported, present)
    kept = [candidate for candidate in chosen if not _is_unwanted(candidate.text, reported)]
    kept = _limited(_unique(kept))
    return Evidence(tuple(kept), frozenset(candidate.source for candidate in kept if candidate.source))


def _unique(candidates: Iterable[Candidate]) -> list[Candidate]:
    found: dict[str, Candidate] = {}
    for candidate in candidates:
        before = found.get(candidate.text)
        essential = candidate.essential or (before is not None and before.essential)
        found[candidate.text] = replace(before or candidate, essential=essential)
    return list(found.values())


def _limited(candidates: list[Candidate]) -> list[Candidate]:
    """The first few, essential ones before others, in their order."""
    ranked = sorted(range(len(candidates)), key=lambda number: (not candidates[number].essential, number))
    return [candidates[number] for number in sorted(ranked[:MAX_CANDIDATES])]


def _quoted_in_task(evidence: str) -> list[str]:
    """Sentences of the task's evidence text, without citations and quotation marks around them."""
    found = []
    # A line with a citation is a paragraph of its own; others may be parts of one.
    lines = [(line, _CITED_AFTER.sub("", _CITED.sub("", line))) for line in evidence.splitlines()]
    text = "\n".join(line if line == bare else f"\n{bare}\n" for line, bare in lines)
    for section in sections_of(text):
        for sentence in section.sentences:
            bare = sentence.strip("\"“”'‘’*_ ")
            if len(bare.split()) >= 3 and not NAMED_FILE.fullmatch(bare):
                found += split_sentences(bare)
    return found


def _from_task(task: TaskBrief, documents: Mapping[str, str], sections: list[Section]) -> list[Candidate]:
    quoted = _quoted_in_task(task.evidence)
    named = [path for path in documents if any(_same_file(path, name) for name in NAMED_FILE.findall(task.evidence))]
    homes = {sentence: _home(sentence, sections) for sentence in quoted}
    verified = [sentence for sentence in quoted if homes[sentence]]
    if named and not verified:
        return _from_repository(task, [section for section in sections if section.source in named])
    chosen = verified if named else quoted
    return [Candidate(sentence, homes[sentence], _is_prose(sentence)) for sentence in chosen if _is_prose(sentence)]


def _same_file(path: str, name: str) -> bool:
    name = name.removeprefix("./").lstrip("/")
    return path == name or path.endswith("/" + name)


def _is_prose(sentence: str) -> bool:
    """A statement, not a question, a label or a fragment."""
    return sentence.rstrip("\"'”’)")[-1:] in ".!…" and len(sentence.split()) >= 3


def _home(sentence: str, sections: list[Section]) -> str:
    return next((section.source for section in sections if sentence in section.sentences), "")


def _from_repository(task: TaskBrief, sections: list[Section]) -> list[Candidate]:
    """Sentences of the section that fits the task best, and of the others in its file that come near."""
    if not sections:
        return []
    index = Bm25([f"{section.source} {section.heading} {' '.join(section.sentences)}" for section in sections])
    by_title = index.scores(task.title)
    scores = [a * 2 + b for a, b in zip(by_title, index.scores(f"{task.text}\n{task.evidence}"), strict=True)]
    best = max(range(len(sections)), key=lambda number: scores[number])
    if by_title[best] <= 0:
        return []
    near = [
        section
        for number, section in enumerate(sections)
        if number == best or (section.source == sections[best].source and scores[number] >= 0.6 * scores[best])
    ]
    return [
        Candidate(sentence, section.source, True)
        for section in near
        for sentence in section.sentences
        if _is_prose(sentence)
    ]


def _reported(output: str) -> _Reported:
    """What red CI says is missing, and which of its lines name something unwanted."""
    missing: list[str] = []
    unwanted: list[str] = []
    for line in output.splitlines():
        if _UNWANTED.search(line):
            unwanted.append(plain(line).casefold())
        if _MISSING.search(line) or re.search(r"\bnot in\b", line):
            missing += [plain(found) for found in _QUOTED.findall(line)]
            if ":" in line:
                missing.append(plain(line.rpartition(": ")[2]))
    return _Reported(tuple(fact for fact in missing if len(fact) >= 3), tuple(unwanted))


def _is_unwanted(sentence: str, reported: _Reported) -> bool:
    """Named in a complaint that is not much longer than itself; a line that quotes the whole document names nothing."""
    bare = plain(sentence).casefold()
    return any(bare in line and len(line) <= len(bare) + 160 for line in reported.unwanted)


def _raise_missing(
    chosen: list[Candidate], sections: list[Section], task: TaskBrief, reported: _Reported, present: str
) -> list[Candidate]:
    """Put forward what states a missing fact, from wherever in the evidence it stands."""
    pool = list(chosen)
    pool += [Candidate(sentence, "", False) for sentence in _quoted_in_task(task.evidence) if _is_prose(sentence)]
    pool += [
        Candidate(sentence, section.source, False)
        for section in sections
        for sentence in section.sentences
        if _is_prose(sentence) and sentence not in present
    ]
    raised: list[Candidate] = []
    for fact in reported.missing:
        holding = [candidate for candidate in pool if fact.casefold() in candidate.text.casefold()]
        if not holding and len(words(fact)) >= 3:
            scores = [_share(fact, candidate.text) for candidate in pool]
            best = max(scores, default=0.0)
            holding = [candidate for candidate, score in zip(pool, scores, strict=True) if score >= max(0.7, best)]
        near = [candidate for candidate in holding if candidate in chosen] or holding[:RESERVE]
        raised += [replace(candidate, essential=True) for candidate in near]
    return _unique([*chosen, *raised])


def _share(fact: str, sentence: str) -> float:
    """How much of the fact's words the sentence has."""
    wanted = set(words(fact))
    return len(wanted & set(words(sentence))) / len(wanted)
