"""The repositories that the platform keeps itself, with a forge's verbs: nothing is anywhere else, so most is done already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gpu_workers.forges.protocol import Checks, CheckStatus, Published, PullRequestInfo, Refused, Remark, Undo
from gpu_workers.repos import head_of, merge_fast_forward, revert
from gpu_workers.repos.git import is_ancestor


class BuiltIn:
    """A bare repository in our own folder. Its pull request is the change itself, its CI ours; `kept` finds its remarks."""

    remote = False

    def __init__(
        self, repo: Path, default_branch: str, kept: Callable[[int], list[Remark]] = lambda number: []
    ) -> None:
        self._repo, self._default, self._kept = repo, default_branch, kept

    def refresh(self) -> str:
        return head_of(self._repo, self._default)

    def fetch(self, branch: str, into: str) -> str:
        raise Refused("Nobody pushes to a built-in repository; hand in a patch.")

    def publish(self, branch: str, sha: str) -> None:
        """It is here."""

    def opened(self, branch: str) -> PullRequestInfo | None:
        return None

    def propose(self, branch: str, title: str, text: str, asking: Callable[[], None]) -> PullRequestInfo:
        return PullRequestInfo(0, "")

    def withdraw(self, branch: str, asking: Callable[[int], None]) -> int | None:
        return None

    def withdrawn(self, number: int) -> bool:
        return False

    def checks(self, sha: str) -> Checks:
        return Checks(CheckStatus.PASSED)

    def remarks(self, number: int) -> list[Remark]:
        return self._kept(number)

    def merged(self, change: Published) -> bool:
        return is_ancestor(self._repo, change.sha, self.refresh())

    def merge(self, change: Published) -> None:
        merge_fast_forward(self._repo, self._default, change.sha, change.base_sha)

    def undo(self, undo: Undo, head: str, asking: Callable[[], None]) -> str:
        return revert(
            self._repo, self._default, undo.merged_sha, undo.author, undo.when, base=undo.base_sha, expected=head
        )
