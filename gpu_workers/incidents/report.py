"""What a triage has to say, and the program's check of it: a known part, and lines that are really there. Pure."""

from collections.abc import Mapping
from typing import Any

from gpu_workers.incidents.evidence import Evidence

MOST_CITED = 12
QUOTE_MIN = 6
TEXT = {"type": "string", "minLength": 10, "maxLength": 1500}
OPTIONAL = {"type": "string", "maxLength": 2000}


def report_schema(evidence: Evidence) -> dict[str, Any]:
    """The form of a report on this evidence: only its parts and its files can be named."""
    citation = {
        "type": "object",
        "properties": {
            "file": {"type": "string", "enum": sorted(evidence.files)},
            "line": {"type": "integer", "minimum": 1},
            "quote": {"type": "string", "minLength": 1, "maxLength": 300},
        },
        "required": ["file", "line", "quote"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "part": {"type": "string", "enum": list(evidence.parts)},
            "cause": TEXT,
            "citations": {"type": "array", "items": citation, "minItems": 1, "maxItems": MOST_CITED},
            "remedy": TEXT,
            "command": OPTIONAL,
            "change": OPTIONAL,
        },
        "required": ["part", "cause", "citations", "remedy"],
        "additionalProperties": False,
    }


def problems(report: Mapping[str, Any], evidence: Evidence) -> list[str]:
    """What is wrong with a report of the right form; nothing when its part is known and every citation holds.

    A citation holds when its file has the line and the quote stands in it, blanks aside. A quote is at least six
    characters, or the whole of a shorter line.
    """
    found = []
    if report["part"] not in evidence.parts:
        found.append(f"{report['part']!r} is none of the parts: {', '.join(evidence.parts)}.")
    if not report["citations"]:
        found.append("Nothing is cited.")
    for cited in report["citations"]:
        place = f"{cited['file']}:{cited['line']}"
        line = evidence.line(cited["file"], cited["line"])
        if line is None:
            found.append(f"{place} is no line of the evidence.")
            continue
        quote, said = _plain(cited["quote"]), _plain(line)
        if len(quote) < min(QUOTE_MIN, len(said)) or not quote:
            found.append(f"The quote of {place} is too short to say anything; quote at least {QUOTE_MIN} characters.")
        elif quote not in said:
            found.append(f"{place} does not say {cited['quote'][:80]!r}.")
    return found


def _plain(text: str) -> str:
    return " ".join(text.split())
