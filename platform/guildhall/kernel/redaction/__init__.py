"""The one redactor: secrets must not reach logs, prompts, stored rows, events, audit, errors or pages. No Django."""

from guildhall.kernel.redaction.data import MARK, hidden_at, redact, redact_data, redact_for_log, reveals
from guildhall.kernel.redaction.known import keep_secret, tried_secret
from guildhall.kernel.redaction.stream import RedactedStream

__all__ = [
    "MARK",
    "RedactedStream",
    "hidden_at",
    "keep_secret",
    "redact",
    "redact_data",
    "redact_for_log",
    "reveals",
    "tried_secret",
]
