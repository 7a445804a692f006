"""Reading GitHub's webhooks. What is not signed with the connection's secret is not looked at. Pure but for the parsing."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Any

MAX_BYTES = 1024 * 1024
DELIVERY = re.compile(r"[0-9A-Za-z-]{1,64}")
KIND = re.compile(r"[a-z_]{1,60}")
SHA = re.compile(r"[0-9a-f]{40}")
PLACES = (
    ("check_run", "head_sha"),
    ("check_suite", "head_sha"),
    ("workflow_run", "head_sha"),
    ("pull_request", "head", "sha"),
    ("sha",),
    ("after",),
)
"""Where GitHub's payloads name the commit that they are about."""


def signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether `X-Hub-Signature-256` is of exactly this body, compared in constant time."""
    wanted = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace"))


def payload_of(body: bytes) -> dict[str, Any] | None:
    """The payload, None where it is no JSON object."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def repository_of(payload: dict[str, Any]) -> str:
    """`owner/name` of the repository that a payload is about."""
    about = payload.get("repository")
    return str(about.get("full_name", "")) if isinstance(about, dict) else ""


def commit_of(payload: dict[str, Any]) -> str:
    """The commit that a payload is about, "" where it names none."""
    for place in PLACES:
        found: Any = payload
        for step in place:
            found = found.get(step) if isinstance(found, dict) else None
        if isinstance(found, str) and SHA.fullmatch(found):
            return found
    return ""
