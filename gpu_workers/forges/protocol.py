"""What a place that keeps repositories can do, whoever runs it. Pure; no Django."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gpu_workers.repos import Signature
from guildhall.kernel.errors import Conflict, GuildhallError

MAX_REMARKS = 100
"""How many remarks a run is told of, the last ones."""
REMARK_CHARS = 2000


class NotYet(GuildhallError):
    """What is waited for has not happened; look again after `seconds`."""

    status = 503
    code = "not_yet"
    title = "Not yet"

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.seconds = seconds


class Refused(Conflict):
    """The forge will not do it, and asking again changes nothing; the message says why."""


class CheckStatus(StrEnum):
    NONE = "none"
    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Checks:
    """What a forge's own CI says of one commit: how many checks passed and failed, and what the failed ones said."""

    status: CheckStatus
    passed: int = 0
    failed: int = 0
    log: str = ""


@dataclass(frozen=True, slots=True)
class PullRequestInfo:
    """A pull request as the forge knows it."""

    number: int
    url: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What somebody wrote on a pull request. Data: it may say anything."""

    author: str
    text: str
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Published:
    """A change as its forge needs to know it: the range of commits, the branch there and the pull request's number."""

    sha: str
    base_sha: str
    branch: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Undo:
    """A revert to make: of `base_sha`..`merged_sha`, as change `number`, signed by `author` at `when`."""

    number: int
    merged_sha: str
    base_sha: str
    author: Signature
    when: datetime = field(compare=False)

    @property
    def branches(self) -> str:
        """What the names of its branches begin with: each commit that it is made on has one."""
        return f"guildhall/revert-{self.number}-"

    def branch(self, head: str) -> str:
        """The branch of the revert that is made on top of `head`."""
        return f"{self.branches}{head[:8]}"


class Forge(Protocol):
    """The verbs of X6. Each may be repeated after a crash at any point and then changes nothing more.

    All raise `RateLimited` (with `retry_after` seconds) and `Unavailable` where the forge is away, and GitError.
    """

    remote: bool
    """Whether commits, checks and pull requests are kept somewhere else than in the built-in repository."""

    def refresh(self) -> str:
        """Bring the built-in copy of the default branch up to date; the commit that it is on."""

    def fetch(self, branch: str, into: str) -> str:
        """Keep what somebody pushed to `branch` there as the branch `into` of the built-in copy; its head.

        Raises `Refused` where there is no such branch.
        """

    def publish(self, branch: str, sha: str) -> None:
        """Put `branch` on `sha` there. Raises `Refused` where somebody else has pushed to it."""

    def opened(self, branch: str) -> PullRequestInfo | None:
        """The open pull request of `branch`."""

    def propose(self, branch: str, title: str, text: str, asking: Callable[[], None]) -> PullRequestInfo:
        """The open pull request of `branch`, opened where there is none.

        `asking` is called right before one is asked for, and keeps that in the trail.
        """

    def withdraw(self, branch: str, asking: Callable[[int], None]) -> int | None:
        """Close the open pull request of `branch`; its number, None where there is none. Its branch and what was said stay.

        `asking` is told the number right before it is asked for, and keeps it in the trail.
        """

    def withdrawn(self, number: int) -> bool:
        """Whether this pull request is closed there, and nothing of it was merged."""

    def checks(self, sha: str) -> Checks:
        """What the forge's CI says of a commit."""

    def remarks(self, number: int) -> list[Remark]:
        """What people wrote on a pull request, oldest first."""

    def merged(self, change: Published) -> bool:
        """Whether exactly this commit is on the default branch already."""

    def merge(self, change: Published) -> None:
        """Put exactly `change.sha` on the default branch, which must be on `base_sha`.

        Raises BaseMoved, `NotYet` while something is missing there, and `Refused`.
        """

    def undo(self, undo: Undo, head: str, asking: Callable[[], None]) -> str:
        """Land one commit on the default branch (which is on `head`) that takes a change back; its id.

        By a pull request from `undo.branch(head)`, which `asking` is called before, as in `propose`; it stays where the base
        moves first. Raises BaseMoved then.
        """
