"""Forges: where repositories are kept. The built-in one and GitHub have the same verbs (X5, X6)."""

from gpu_workers.forges.protocol import (
    Checks,
    CheckStatus,
    Forge,
    NotYet,
    Published,
    PullRequestInfo,
    Refused,
    Remark,
    Undo,
)

__all__ = [
    "CheckStatus",
    "Checks",
    "Forge",
    "NotYet",
    "Published",
    "PullRequestInfo",
    "Refused",
    "Remark",
    "Undo",
]
