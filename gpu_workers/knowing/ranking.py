"""Which passages are about some words, best first: BM25 over all kinds alike. Pure.

The score of a passage is, over the terms asked for, the sum of `idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * length / mean))`
with `idf = ln(1 + (n - df + 0.5) / (df + 0.5))`: a term counts the more the fewer of the `n` passages have it (`df`), each
further time it stands in one (`tf`) counts less, and a long passage has to have it more often. That is Okapi BM25 with the
usual constants (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009) and Lucene's idf, which
is never negative. Any of the words finds; nobody has to know the right ones.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gpu_workers.knowing.passages import Kind, Passage

K1, B = 1.2, 0.75
MOST_TERMS = 16
MOST_WORDS = 60
"""Words of a question that are looked at."""
LONGEST_WORD = 40
PART = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")
WORD = re.compile(r"[^\W_]+")
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
ALIKE = 3
"""Words that have one stem begin with the same so many letters; others are not asked about."""
CUT = "…"

Stems = Callable[[Sequence[str]], Mapping[str, str]]
"""The stem of each word, as the index has it; words that say nothing have none."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage, what it is worth, and the words by which it was found, the rarest first."""

    passage: Passage
    score: float
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stock:
    """How many texts there are beside the passages at hand, and how many of them have each term."""

    size: int
    having: Mapping[str, int]


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, names of code in their parts."""
    return [word.lower() for word in WORD.findall(PART.sub(" ", text)) if len(word) <= LONGEST_WORD]


def terms_of(text: str, stems: Stems) -> dict[str, str]:
    """The terms that a question asks for, at most `MOST_TERMS`, each with the word of the question that has it."""
    words = list(dict.fromkeys(words_of(text)))[:MOST_WORDS]
    stemmed = stems(words)
    found: dict[str, str] = {}
    for word in words:
        if word in stemmed:
            found.setdefault(stemmed[word], word)
    return dict(list(found.items())[:MOST_TERMS])


def idf(size: int, having: int) -> float:
    """How much a term is worth that `having` of `size` texts have."""
    return math.log(1 + (max(size - having, 0) + 0.5) / (having + 0.5))


def rank(terms: Mapping[str, str], passages: Sequence[Passage], stems: Stems, stock: Stock) -> list[Found]:
    """The passages that have any of the terms, best first; those of one worth in the order given.

    `stock` counts the texts that the passages at hand were chosen from; passages of documents come on top of it.
    """
    counted = [Counter(words_of(f"{one.title} {one.ref} {one.text}")) for one in passages]
    same = _same(terms, counted, stems)
    tfs = [_frequencies(words, same) for words in counted]
    documents = [tf for tf, one in zip(tfs, passages, strict=True) if one.kind is Kind.DOCUMENT]
    size = stock.size + len(documents)
    worth = {term: idf(size, stock.having.get(term, 0) + sum(term in tf for tf in documents)) for term in sorted(terms)}
    lengths = [sum(words.values()) for words in counted]
    mean = sum(lengths) / len(lengths) if lengths else 1.0
    found = []
    for passage, tf, length in zip(passages, tfs, lengths, strict=True):
        if tf:
            score = sum(_part(worth[term], times, length / mean) for term, times in sorted(tf.items()))
            rarest = sorted(tf, key=lambda term: (-worth[term], term))
            found.append(Found(passage, score, tuple(terms[term] for term in rarest)))
    return sorted(found, key=lambda one: -one.score)


def _part(worth: float, times: int, length: float) -> float:
    return worth * times * (K1 + 1) / (times + K1 * (1 - B + B * length))


def _same(terms: Mapping[str, str], counted: Iterable[Counter[str]], stems: Stems) -> Mapping[str, str]:
    """The term of every word of the passages that has one: only words that begin alike are asked about."""
    begin = {word[:ALIKE] for pair in terms.items() for word in pair}
    alike = {word for words in counted for word in words if word[:ALIKE] in begin}
    return {word: term for word, term in stems(sorted(alike)).items() if term in terms}


def _frequencies(words: Counter[str], same: Mapping[str, str]) -> Counter[str]:
    tf: Counter[str] = Counter()
    for word in words.keys() & same.keys():
        tf[same[word]] += words[word]
    return tf


def excerpt(text: str, words: Sequence[str], longest: int) -> str:
    """The stretch of whole sentences or lines, at most `longest` characters, that has the most of `words`.

    A sentence that is longer by itself is cut. Dots stand where something is left out.
    """
    if len(text) <= longest:
        return text
    parts = [part for part in SENTENCE.split(text) if part.strip()]
    begin = tuple(word[: max(ALIKE, len(word) - 2)] for word in words)
    hits = [len({one for one in words_of(part) if one.startswith(begin)}) if begin else 0 for part in parts]
    first = last = max(range(len(parts)), key=lambda at: (hits[at], -at))
    size = len(parts[first])
    while True:
        options = [at for at in (last + 1, first - 1) if 0 <= at < len(parts) and size + len(parts[at]) < longest]
        if not options:
            break
        at = max(options, key=lambda at: (hits[at], at > last))
        first, last, size = min(first, at), max(last, at), size + len(parts[at]) + 1
    said = [CUT] if first else []
    said.append(" ".join(parts[first : last + 1])[:longest])
    if last < len(parts) - 1 or size > longest:
        said.append(CUT)
    return " ".join(said)
