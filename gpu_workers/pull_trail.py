"""What the trail says of pull requests at a forge: what was asked for there, and whose answer nobody has written down yet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gpu_workers.forge_events import (
    PullRequestClosed,
    PullRequestCloseRequested,
    PullRequestLeft,
    PullRequestOpened,
    PullRequestOpenRequested,
)
from gpu_workers.models import ChangeRequest
from guildhall.evidence.selectors import recent

CLOSING = [PullRequestCloseRequested.kind, PullRequestClosed.kind, PullRequestLeft.kind]
"""What the trail says of a closing; the last of them tells where it stands."""
OPENING = [
    PullRequestOpenRequested.kind,
    PullRequestOpened.kind,
    PullRequestCloseRequested.kind,
    PullRequestClosed.kind,
]
"""What it says of an opening: whatever comes after that was asked for names one that was found."""


@dataclass(frozen=True, slots=True)
class Asked:
    """That a forge was asked to open a pull request from `branch`, and when."""

    branch: str
    at: datetime


def asked_to_open(change: ChangeRequest) -> Asked | None:
    """What the forge was asked to open for a change, as long as nobody has written down what came of it."""
    last = _last(change, OPENING)
    if last is None or last["kind"] != PullRequestOpenRequested.kind:
        return None
    branch = str(last["event"].get("branch", ""))
    return Asked(branch, last["at"]) if branch else None


def asked_to_close(change: ChangeRequest) -> int | None:
    """The pull request that the forge was asked to close; None where that is over, or nobody asked."""
    last = _last(change, CLOSING)
    return last["event"].get("number") if last and last["kind"] == PullRequestCloseRequested.kind else None


def _last(change: ChangeRequest, kinds: list[str]) -> dict[str, Any] | None:
    return next(iter(recent(kinds=kinds, outcome="done", subject=change.ref, limit=1)), None)
