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
NOTHING = "0" * 40
PULL = ("pull_request", "head", "sha")
PLACES = {
    "check_run": ("check_run", "head_sha"),
    "check_suite": ("check_suite", "head_sha"),
    "workflow_run": ("workflow_run", "head_sha"),
    "status": ("sha",),
    "push": ("after",),
    "pull_request": PULL,
    "pull_request_review": PULL,
    "pull_request_review_comment": PULL,
}
"""Where the payload of an event names the commit that it is about; what comes of any other event is its row alone."""


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


def commit_of(kind: str, payload: dict[str, Any]) -> str:
    """The commit that a payload of an event is about, "" where it names none, or a branch's end."""
    found: Any = payload if kind in PLACES else None
    for step in PLACES.get(kind, ()):
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, str) and SHA.fullmatch(found) and found != NOTHING else ""
