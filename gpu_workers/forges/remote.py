"""git with a forge over http(s): the token in a header that no command line shows, the address looked at before."""

from __future__ import annotations

import base64
import logging
import re
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

from gpu_workers.forges.addresses import checked_place
from gpu_workers.forges.protocol import Refused
from gpu_workers.repos import TreeTooLarge, head_of, refuse_unfolding
from gpu_workers.repos.git import CONFIGURATION, FlawedHistory, GitError, checked_branch, checked_sha, git, text
from gpu_workers.repos.repository import branch_head, put_back
from gpu_workers.repos.stopping import GitStopped
from guildhall.kernel.errors import Unavailable

logger = logging.getLogger(__name__)
DECLINED = re.compile(r"! \[remote rejected\][^\n]*\(((?:[^()\n]*declined|refusing)[^()\n]*)\)")


class Remote:
    """One repository elsewhere, seen from its built-in copy `repo`."""

    def __init__(self, repo: Path, url: str, token: str, *, loopback: bool) -> None:
        self._repo, self._url, self._token, self._loopback = repo, url, token, loopback

    def fetch(self, branch: str, into: str = "") -> str:
        """Bring the copy's `branch` (or `into`) to where `branch` is there, forwards or not; the commit.

        Raises `Refused` for one with a tree that is too large to be worked with: the copy's branch is where it was then.
        """
        into = into or branch
        name, here = f"refs/heads/{checked_branch(branch)}", f"refs/heads/{checked_branch(into)}"
        words = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc")
        before = branch_head(self._repo, into)
        self._git("fetch", *words, self._url, f"+{name}:{here}")
        sha = head_of(self._repo, into)
        try:
            refuse_unfolding(self._repo, sha)
        except (TreeTooLarge, GitStopped) as unseen:
            # Somebody else may have put it back, or fetched again.
            with suppress(GitError):
                put_back(self._repo, into, sha, before)
            if isinstance(unseen, GitStopped):
                raise
            raise Refused(f"What the forge has on {branch} cannot be used. {unseen}") from unseen
        return sha

    def head(self, branch: str) -> str | None:
        """The commit that a branch there is on, None where there is no such branch."""
        name = f"refs/heads/{checked_branch(branch)}"
        for line in text(self._git("ls-remote", self._url, name)).splitlines():
            sha, _, found = line.partition("\t")
            if found == name:
                return checked_sha(sha)
        return None

    def _git(self, *arguments: str) -> bytes:
        """git that talks with the other side. Raises `Refused` for what another time is the same, else `Unavailable`.

        git's own words name folders of this machine: they are for the log.
        """
        try:
            return git(self._repo, *arguments, env=self._environment())
        except FlawedHistory as flawed:
            raise Refused(f"The forge's repository cannot be used. {flawed}") from flawed
        except GitError as trouble:
            logger.warning("git with the forge of %s: %s", self._repo.name, trouble)
            if declined := DECLINED.search(str(trouble)):
                raise Refused(f"The forge does not take what is pushed: {declined[1][:200]}.") from trouble
            raise Unavailable(f"The forge's repository cannot be reached: {_why(trouble)}.") from trouble

    def push(self, branch: str, sha: str, expected: str | None) -> None:
        """Put a branch there on `sha`, if it is on `expected` (None: not there). Raises `Unavailable`."""
        name = f"refs/heads/{checked_branch(branch)}"
        lease = f"--force-with-lease={name}:{'' if expected is None else checked_sha(expected)}"
        self._git("push", "--quiet", lease, self._url, f"{checked_sha(sha)}:{name}")

    def _environment(self) -> dict[str, str]:
        place = checked_place(self._url, loopback=self._loopback)
        basic = base64.b64encode(f"x-access-token:{self._token}".encode()).decode()
        more = {
            "http.extraHeader": f"Authorization: Basic {basic}",
            "http.followRedirects": "false",
            "http.curloptResolve": f"{place.host}:{place.port}:{place.address}",
            "http.lowSpeedLimit": "1000",
            "http.lowSpeedTime": "30",
            "http.proxy": "",
        }
        found = {"GIT_ALLOW_PROTOCOL": place.parts.scheme, "GIT_CONFIG_COUNT": str(len(CONFIGURATION) + len(more))}
        for number, (key, value) in enumerate(more.items(), len(CONFIGURATION)):
            found[f"GIT_CONFIG_KEY_{number}"], found[f"GIT_CONFIG_VALUE_{number}"] = key, value
        return found


def _why(trouble: GitError) -> str:
    """What went wrong there, in our own words."""
    said = str(trouble)
    if isinstance(trouble.__cause__, TimeoutExpired):
        return "it does not answer in time"
    if any(word in said for word in ("Authentication failed", "could not read Username", "error: 401", "error: 403")):
        return "it does not accept the token"
    if any(word in said for word in ("Out of memory", "did not send all necessary objects")):
        return "what it sends is not whole, or more than git is given memory for"
    if any(word in said for word in ("not found", "error: 404")):
        return "it has no such repository, or not for the token"
    return "git cannot talk with it"


def made_here(repo: Path, sha: str) -> bool:
    """Whether `sha` lies on a branch that this platform made in its own copy."""
    try:
        return bool(text(git(repo, "for-each-ref", f"--contains={checked_sha(sha)}", "refs/heads/guildhall/")))
    except GitError:
        # The copy does not even have that commit.
        return False
