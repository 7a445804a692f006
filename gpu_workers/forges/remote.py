"""git with a forge over http(s): the token in a header that no command line shows, the address looked at before."""

from __future__ import annotations

import base64
from pathlib import Path

from gpu_workers.forges.addresses import checked_place
from gpu_workers.repos.git import CONFIGURATION, GitError, checked_branch, checked_sha, git, text
from guildhall.kernel.errors import Unavailable


class Remote:
    """One repository elsewhere, seen from its built-in copy `repo`."""

    def __init__(self, repo: Path, url: str, token: str, *, loopback: bool) -> None:
        self._repo, self._url, self._token, self._loopback = repo, url, token, loopback

    def fetch(self, branch: str, into: str = "") -> None:
        """Bring the copy's `branch` (or `into`) to where `branch` is there, forwards or not."""
        name, here = f"refs/heads/{checked_branch(branch)}", f"refs/heads/{checked_branch(into or branch)}"
        words = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc")
        self._git("fetch", *words, self._url, f"+{name}:{here}")

    def head(self, branch: str) -> str | None:
        """The commit that a branch there is on, None where there is no such branch."""
        name = f"refs/heads/{checked_branch(branch)}"
        for line in text(self._git("ls-remote", self._url, name)).splitlines():
            sha, _, found = line.partition("\t")
            if found == name:
                return checked_sha(sha)
        return None

    def _git(self, *arguments: str) -> bytes:
        """git that talks with the other side. Raises `Unavailable` for whatever goes wrong there."""
        try:
            return git(self._repo, *arguments, env=self._environment())
        except GitError as trouble:
            raise Unavailable(f"The forge's repository cannot be reached: {trouble}") from trouble

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


def made_here(repo: Path, sha: str) -> bool:
    """Whether `sha` lies on a branch that this platform made in its own copy."""
    try:
        return bool(text(git(repo, "for-each-ref", f"--contains={checked_sha(sha)}", "refs/heads/guildhall/")))
    except GitError:
        # The copy does not even have that commit.
        return False
