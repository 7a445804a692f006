"""Secrets that must not reach logs, prompts, stored outputs or pages."""

from __future__ import annotations

import re

MARK = "[redacted]"

_WHOLE = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[0-9A-Z]{16}\b",
            r"\bgh[opsur]_[0-9A-Za-z]{20,255}\b",
            r"\bgithub_pat_[0-9A-Za-z_]{20,255}\b",
            r"\bglpat-[0-9A-Za-z_-]{16,}\b",
            r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}\b",
            r"\bsk-(?:[a-z]+-)?[0-9A-Za-z_-]{20,}\b",
            r"\b[rs]k_live_[0-9A-Za-z]{16,}\b",
            r"\bAIza[0-9A-Za-z_-]{35}\b",
            r"\beyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}",
        )
    ),
    re.DOTALL,
)
_BEARER = re.compile(r"(?i)(\b(?:bearer|basic)\s+)([0-9a-z._~+/=-]{16,})")
_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)([^\s@/]+)(@)", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"""(?ix)
    ( \b [\w.-]* (?: password | passwd | pwd | secret | api[_-]?key | access[_-]?key | auth[_-]?token | access[_-]?token
      | private[_-]?key ) [\w.-]* ["']? \s* (?: = | : (?!//) ) \s* )
    ( "[^"\n]{4,}" | '[^'\n]{4,}' | [^\s"',;(){}\[\]<>]{6,} )
    """
)


def redact(text: str) -> str:
    """`text` with keys, tokens and assigned passwords replaced by a mark. Doing it again changes nothing."""
    text = _WHOLE.sub(MARK, text)
    text = _BEARER.sub(rf"\1{MARK}", text)
    text = _ADDRESS.sub(rf"\1{MARK}\3", text)
    return _ASSIGNED.sub(_assignment, text)


def _assignment(found: re.Match[str]) -> str:
    value = found[2].strip("\"'")
    # A name or a call (`password = read_password`) is code and no secret; an unquoted value has a digit or a sign.
    plain = found[2][0] not in "\"'" and re.fullmatch(r"[A-Za-z_][A-Za-z_.]*", value)
    if plain and not re.match(r"(?i)[A-Z_]*(?:PASS|SECRET|KEY|TOKEN)[A-Z_]*=", found[1]):
        return found[0]
    return found[1] + (MARK if MARK not in value else found[2])
