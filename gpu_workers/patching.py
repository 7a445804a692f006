"""A commit of a person's patch: applied in the sandbox to a clone of its own, judged by the rules for agents' commits."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gpu_workers.models import ChangeRequest
from gpu_workers.patches import check_patch
from gpu_workers.repos import (
    GitError,
    Signature,
    Workspace,
    changed_paths,
    clone_workspace,
    commit_all,
    merge_base,
    push_branch,
)
from gpu_workers.repos.git import git, text
from gpu_workers.repos.leaks import leaking
from gpu_workers.repos.reading import ls_tree
from gpu_workers.repos.repository import branch_head
from gpu_workers.repos.workspaces import remove_workspace, tree_of
from gpu_workers.runs.committing import barred_in
from gpu_workers.sandbox import Sandbox, SandboxCommand, SandboxLimits
from gpu_workers.sandbox.inside import PROGRAMS

PATCH = "hand-in.patch"
SHOWN = f"{PROGRAMS}/{PATCH}"
APPLY = f"git apply --numstat {SHOWN} && git apply --whitespace=nowarn {SHOWN}"
LIMITS = SandboxLimits(wall_s=60.0)
MOST_NAMED = 20
MOST_COMMITS = 50
OURS = frozenset({"guildhall.invalid", "agents.invalid", "people.invalid"})
"""The domains of the addresses that the platform signs with."""


class NotTaken(Exception):
    """There will be no commit of what was handed in; the message tells its person why."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a commit carries beside its files; `when` is fixed, so that a repeated commit is the same one."""

    branch: str
    base: str
    message: str
    author: Signature
    when: datetime


def commit_patch(repo: Path, sandbox: Sandbox, scratch: Path, patch: str, work: Work) -> str:
    """Put `work.branch` on the commit of `patch` on top of `work.base`; its id, the same each time.

    Raises `NotTaken`, GitError, and SandboxUnavailable where nothing can be applied.
    """
    check_patch(patch)
    workspace = Workspace(scratch)
    remove_workspace(workspace)
    try:
        clone_workspace(repo, scratch, work.branch, work.base)
        sandbox.prepare_workspace(workspace.tree)
        named = _apply(sandbox, workspace, patch, work.base[:12])
        tree = tree_of(workspace, work.base)
        refuse_tree(workspace.git_dir, work.base, tree)
        if len(changed_paths(workspace.git_dir, work.base, tree)) < named:
            raise NotTaken("Some files of the patch would not be committed: .gitignore names them.")
        sha = commit_all(workspace, work.branch, work.base, work.message, work.author, work.when)
        if sha is None:
            raise NotTaken("The patch changes nothing.")
        return push_branch(repo, workspace, work.branch, sha, branch_head(repo, work.branch))
    finally:
        remove_workspace(workspace)


def _apply(sandbox: Sandbox, workspace: Workspace, patch: str, base: str) -> int:
    """How many files the patch names. The program that reads it sees the clone's files and the patch, and nothing else.

    The patch lies beside the clone's files: among them, a link of its name would lead the write to a file of the host.
    """
    place = workspace.root / PATCH
    with place.open("x", encoding="utf-8", newline="") as file:
        file.write(patch)
    place.chmod(0o644)
    command = SandboxCommand(APPLY, workspace.tree, limits=LIMITS, programs={PATCH: place})
    result = sandbox.run(command)
    if not result.ok:
        lines = [line for line in result.output.splitlines() if line.startswith(("error:", "fatal:"))]
        said = " ".join(lines[:8] or result.output.split("\n")[-4:])[:1000]
        raise NotTaken(f"The patch does not apply to {base}: {said}")
    counted = [line.split("\t") for line in result.output.splitlines() if line.count("\t") >= 2]
    if any(line[0] == "-" for line in counted):
        raise NotTaken("Binary files cannot be handed in as a patch.")
    return len(counted)


def refuse_tree(repo: Path, base: str, head: str) -> None:
    """Raises `NotTaken` for links, secrets and files that the policy forbids in what differs between two commits or trees."""
    changed = set(changed_paths(repo, base, head))
    links = [
        entry.path for entry in ls_tree(repo, head) if entry.path in changed and (entry.is_link or entry.is_submodule)
    ]
    if links:
        raise NotTaken(f"Links and submodules are not taken: {_named(links)}.")
    if revealed := leaking(repo, base, head):
        raise NotTaken(
            f"It would commit a secret in {_named(revealed)}. Take it out; a program reads such values elsewhere."
        )
    for _, rule, paths in barred_in(repo, base, head):
        breaks = f" (the rule {rule!r})" if rule else ""
        raise NotTaken(f"The policy lets no change touch these files{breaks}: {_named(paths)}.")


def base_of_branch(repo: Path, trunk: str, head: str) -> str:
    """The commit that a branch left the default branch at. Raises `NotTaken` where they have nothing in common."""
    try:
        return merge_base(repo, trunk, head)
    except GitError as nothing:
        raise NotTaken("The branch has no commit in common with the default branch; begin it there.") from nothing


def _refuse_signed_as_ours(repo: Path, base: str, head: str) -> None:
    """Raises `NotTaken` for commits of a line that bear the platform's addresses and that it has not made.

    People build on what an agent or a patch came to: the head of a change is known, and so is all that it stands on.
    """
    said = text(git(repo, "log", "--no-show-signature", "--format=%H%x09%ae%x09%ce", f"{base}..{head}", "--"))
    signed = {sha: emails for sha, *emails in (line.split("\t") for line in said.split("\n"))}
    if not any(_ours(emails) for emails in signed.values()):
        return
    kept = set(ChangeRequest.objects.filter(head_sha__in=signed).values_list("head_sha", flat=True))
    for sha, emails in signed.items():
        if sha in kept:
            return
        if _ours(emails):
            raise NotTaken(
                f"{sha[:12]} bears an address that only this platform signs with; make it yours with "
                "git commit --amend --reset-author."
            )


def _ours(emails: list[str]) -> bool:
    return any(email.rpartition("@")[2].strip().lower() in OURS for email in emails)


def checked_branch_head(repo: Path, base: str, head: str) -> None:
    """Raises `NotTaken` unless `head` is a line of commits on top of `base` that breaks no rule, in any of them."""
    span = text(git(repo, "rev-list", "--reverse", "--parents", f"{base}..{head}"))
    commits = [line.split() for line in span.splitlines()]
    if not commits:
        raise NotTaken("The branch has no commit that the default branch does not have.")
    if len(commits) > MOST_COMMITS:
        raise NotTaken(f"The branch has {len(commits)} commits; at most {MOST_COMMITS} are taken.")
    _refuse_signed_as_ours(repo, base, head)
    for sha, *parents in commits:
        if len(parents) != 1:
            raise NotTaken(f"{sha[:12]} is a merge; rebase the branch.")
        refuse_tree(repo, parents[0], sha)


def _named(paths: list[str]) -> str:
    more = len(paths) - MOST_NAMED
    shown = ", ".join(path.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for path in paths[:MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
