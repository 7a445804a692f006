"""GitHub with a forge's verbs, over its REST API and git. A built-in copy holds the commits that everything here looks at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gpu_workers.forges.checks import judged
from gpu_workers.forges.protocol import (
    MAX_REMARKS,
    REMARK_CHARS,
    Checks,
    CheckStatus,
    NotYet,
    Published,
    PullRequestInfo,
    Refused,
    Remark,
    Undo,
)
from gpu_workers.forges.remote import Remote, made_here
from gpu_workers.forges.rest import Answer, Api
from gpu_workers.repos import BaseMoved, revert
from gpu_workers.repos.git import is_ancestor
from gpu_workers.repos.repository import branch_head, init, update_branch
from gpu_workers.repos.stopping import refuse_stopped, to_the_end
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.redaction import redact

LOOK_AGAIN_S = 60.0
JUDGEMENTS = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
"""What a review may come to; a mere comment takes nothing back."""
OF_THE_REPOSITORY = ("OWNER", "MEMBER", "COLLABORATOR")


class GitHub:
    """One repository (`owner/name`) at GitHub; `repo` is its built-in copy."""

    remote = True

    def __init__(
        self, api: Api, remote: Remote, repo: Path, full_name: str, default_branch: str, *, requires_checks: bool
    ) -> None:
        self._api, self._remote, self._repo = api, remote, repo
        self._path, self._owner = f"/repos/{full_name}", full_name.partition("/")[0]
        self._default, self._requires_checks = default_branch, requires_checks

    def refresh(self) -> str:
        if not self._repo.exists():
            init(self._repo, bare=True)
        return self._remote.fetch(self._default)

    def fetch(self, branch: str, into: str) -> str:
        if branch == self._default or self._remote.head(branch) is None:
            raise Refused(f"There is no branch {branch} with work of yours in the repository; push it first.")
        return self._remote.fetch(branch, into)

    def publish(self, branch: str, sha: str) -> None:
        """A branch there moves only from a commit that this platform put there itself."""
        there = self._remote.head(branch)
        if there == sha:
            return
        if there is not None and not made_here(self._repo, there):
            raise Refused(f"Somebody else has pushed {there[:12]} to {branch}.")
        self._remote.push(branch, sha, there)

    def propose(self, branch: str, title: str, text: str, asking: Callable[[], None]) -> PullRequestInfo:
        if known := self.opened(branch):
            return known
        asking()
        body = {"title": title, "head": branch, "base": self._default, "body": text, "maintainer_can_modify": False}
        made = self._api.call("POST", f"{self._path}/pulls", body, allowed=(422,))
        if made.status == 422:
            # Another worker opened it between the question and this.
            if known := self.opened(branch):
                return known
            raise Refused(f"GitHub opens no pull request for {branch}: {made.words()}.")
        return _info(made.data())

    def opened(self, branch: str) -> PullRequestInfo | None:
        head, base = quote(f"{self._owner}:{branch}", safe=""), quote(self._default, safe="")
        found = self._api.call("GET", f"{self._path}/pulls?state=open&head={head}&base={base}").data()
        return _info(found[0]) if isinstance(found, list) and found else None

    def withdraw(self, branch: str, asking: Callable[[int], None]) -> int | None:
        known = self.opened(branch)
        if known is None:
            return None
        asking(known.number)
        self._api.call("PATCH", f"{self._path}/pulls/{known.number}", {"state": "closed"})
        return known.number

    def withdrawn(self, number: int) -> bool:
        pull = self._pull(number)
        return pull.get("state") == "closed" and not pull.get("merged")

    def checks(self, sha: str) -> Checks:
        found = judged(self._api, self._path, sha)
        if found.status is CheckStatus.NONE and not self._requires_checks:
            return Checks(CheckStatus.PASSED)
        return found

    def remarks(self, number: int) -> list[Remark]:
        """Reviews, remarks on lines and remarks on the whole, the last `MAX_REMARKS` of them."""
        found: list[tuple[str, Remark]] = []
        for path in (f"pulls/{number}/reviews", f"pulls/{number}/comments", f"issues/{number}/comments"):
            for item in self._api.pages(f"{self._path}/{path}"):
                if text := redact(str(item.get("body") or ""))[:REMARK_CHARS]:
                    at = str(item.get("created_at") or item.get("submitted_at") or "")
                    author, line = _login(item.get("user")), item.get("line")
                    found.append(
                        (
                            at,
                            Remark(
                                author, text, str(item.get("path") or "")[:300], line if isinstance(line, int) else 0
                            ),
                        )
                    )
        return [remark for _, remark in sorted(found, key=lambda pair: pair[0])][-MAX_REMARKS:]

    def merged(self, change: Published) -> bool:
        return self._landed(self._pull(change.number), change)

    def _landed(self, pull: dict[str, Any], change: Published) -> bool:
        """Looked up in the commits: what was pushed to the branch in between would be in the pull request as well."""
        return bool(pull.get("merged")) and is_ancestor(self._repo, change.sha, self.refresh())

    def merge(self, change: Published) -> None:
        pull = self._pull(change.number)
        if self._landed(pull, change):
            return
        if pull.get("state") != "open":
            raise Refused(f"Pull request #{change.number} is closed.")
        # Before its head is looked at, which is our own rebase where a worker died that had pushed it.
        self._refuse_moved(change)
        if pull["head"]["sha"] != change.sha:
            raise Refused(
                f"Pull request #{change.number} is at {str(pull['head']['sha'])[:12]}, not at what was approved."
            )
        checks = self.checks(change.sha)
        if checks.status in (CheckStatus.PENDING, CheckStatus.NONE):
            raise NotYet(f"GitHub's checks on {change.sha[:12]} have not all ended.", LOOK_AGAIN_S)
        if checks.status is CheckStatus.FAILED:
            raise Refused(f"GitHub's checks on {change.sha[:12]} have failed.")
        if unmet := self._wanted(change.number):
            raise NotYet(f"{', '.join(unmet)} asked for changes on pull request #{change.number}.", LOOK_AGAIN_S)
        refuse_stopped()
        with to_the_end():
            self._land(change)
            self.refresh()

    def _wanted(self, number: int) -> list[str]:
        """Who of the repository asked for changes there and has neither approved since nor been overruled."""
        last: dict[str, dict[str, Any]] = {}
        for review in self._api.pages(f"{self._path}/pulls/{number}/reviews"):
            if review.get("state") in JUDGEMENTS:
                last[_login(review.get("user"))] = review
        asking = {who: review for who, review in last.items() if review["state"] == "CHANGES_REQUESTED"}
        return sorted(who for who, review in asking.items() if self._counts(who, review))

    def _counts(self, who: str, review: dict[str, Any]) -> bool:
        """Whether somebody of the repository wrote a review: anybody may write one on a public repository.

        A member who does not show it is a stranger to a token that may not see it: what they may do there is asked for.
        """
        if review.get("author_association") in OF_THE_REPOSITORY:
            return True
        path = f"{self._path}/collaborators/{quote(who, safe='')}/permission"
        answer = self._api.call("GET", path, allowed=(404,))
        return answer.status == 200 and answer.record().get("permission") in ("admin", "write")

    def undo(self, undo: Undo, head: str, asking: Callable[[], None]) -> str:
        branch = undo.branch(head)
        sha = branch_head(self._repo, branch)
        if sha is None or sha == head:
            if sha is None:
                update_branch(self._repo, branch, head, None)
            sha = revert(self._repo, branch, undo.merged_sha, undo.author, undo.when, base=undo.base_sha, expected=head)
        self.publish(branch, sha)
        pull = self.propose(branch, f"Revert change {undo.number}", f"This takes back {undo.merged_sha}.", asking)
        refuse_stopped()
        with to_the_end():
            self._land(Published(sha=sha, base_sha=head, branch=branch, number=pull.number))
            self.refresh()
        return sha

    def _land(self, change: Published) -> None:
        """Merge if the pull request is at exactly this commit; GitHub compares it in the same moment."""
        # Words of our own: GitHub would take the pull request's title, which others may have changed since.
        title = f"Merge {change.branch} (#{change.number})"
        body = {"sha": change.sha, "merge_method": "merge", "commit_title": title, "commit_message": ""}
        path = f"{self._path}/pulls/{change.number}/merge"
        answer = self._api.call("PUT", path, body, allowed=(405, 409, 422))
        if answer.status == 200:
            return
        self._refuse_moved(change)
        self._explain(change, answer)

    def _explain(self, change: Published, answer: Answer) -> None:
        said = answer.words().removesuffix(".")
        if answer.status == 409:
            raise Refused(f"Pull request #{change.number} is not at {change.sha[:12]} any more: {said}.")
        if answer.status == 405 and "not allowed" in said:
            # A setting of the repository, such as squashing alone: another time is the same.
            raise Refused(f"GitHub takes pull request #{change.number} not as it was approved: {said}.")
        raise NotYet(f"GitHub does not merge pull request #{change.number} yet: {said}.", LOOK_AGAIN_S)

    def _refuse_moved(self, change: Published) -> None:
        head = self.refresh()
        if head != change.base_sha:
            raise BaseMoved(self._default, change.base_sha, head)

    def _pull(self, number: int) -> dict[str, Any]:
        found = self._api.call("GET", f"{self._path}/pulls/{number}").record()
        if not isinstance(found.get("head"), dict) or "sha" not in found["head"]:
            raise Unavailable("GitHub's answer is no pull request.")
        return found


def _info(item: Any) -> PullRequestInfo:
    try:
        return PullRequestInfo(int(item["number"]), str(item.get("html_url", ""))[:300])
    except (AttributeError, KeyError, TypeError, ValueError) as garbled:
        raise Unavailable("GitHub's answer is no pull request.") from garbled


def _login(user: Any) -> str:
    return str(user.get("login", ""))[:80] if isinstance(user, dict) else ""
