"""Secrets taken out of a file's hunks, so that its lines can still be told apart and counted. Pure."""

from gpu_workers.unified import HEAD
from guildhall.kernel.redaction import MARK, redact


def redacted_hunks(text: str) -> str:
    """Hunks without secrets. Each line of one that goes over several keeps its sign, and heads among them their numbers."""
    clean = redact(text)
    if clean.count("\n") != text.count("\n"):
        return clean
    return "\n".join(map(_line, text.split("\n"), clean.split("\n")))


def _line(line: str, clean: str) -> str:
    if clean[:1] == line[:1]:
        return clean
    # Behind a head stands a line from further up, which may be one of the secret's own.
    head = HEAD.match(line)
    return head[0] if head else f"{line[:1]}{MARK}"
