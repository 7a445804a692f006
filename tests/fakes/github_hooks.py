"""Webhooks made by hand, for one repository, in the shapes of the examples that GitHub publishes; none was recorded from GitHub.

Each function gives the payload of one event. The repository and the commit stand where they stand in those examples. Much that
is not looked at is there all the same, nested as GitHub nests it, so that whoever reads a payload has to find its way among
commits of the base, of suites and of other branches; some keys that name nothing of the kind are left out.
"""

from typing import Any

Payload = dict[str, Any]
AT = "2026-11-21T10:00:00Z"
BASE = "b" * 40
BEFORE = "a" * 40
NOTHING = "0" * 40
"""What `after` says of a branch that was deleted."""
USER_URLS = (
    "avatar", "html", "followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events",
    "received_events",
)  # fmt: skip
REPOSITORY_URLS = (
    "forks", "keys", "collaborators", "teams", "hooks", "issue_events", "events", "assignees", "branches", "tags", "blobs",
    "git_tags", "git_refs", "trees", "statuses", "languages", "stargazers", "contributors", "subscribers", "subscription",
    "commits", "git_commits", "comments", "issue_comment", "contents", "compare", "merges", "archive", "downloads",
    "issues", "pulls", "milestones", "notifications", "labels", "releases", "deployments",
)  # fmt: skip


def user(login: str = "octavia") -> Payload:
    at = f"https://api.github.com/users/{login}"
    return {
        "login": login, "id": 21031067, "node_id": "MDQ6VXNlcjIx", "gravatar_id": "", "url": at, "type": "User",
        "site_admin": False, **{f"{name}_url": f"{at}/{name}" for name in USER_URLS},
    }  # fmt: skip


def repository(full_name: str) -> Payload:
    owner, _, name = full_name.partition("/")
    at = f"https://api.github.com/repos/{full_name}"
    return {
        "id": 186853002, "node_id": "MDEwOlJlcG9zaXRvcnkx", "name": name, "full_name": full_name, "private": True,
        "owner": user(owner), "html_url": f"https://github.com/{full_name}", "description": None, "fork": False, "url": at,
        "created_at": AT, "updated_at": AT, "pushed_at": AT, "clone_url": f"https://github.com/{full_name}.git",
        "ssh_url": f"git@github.com:{full_name}.git", "homepage": None, "size": 0, "language": "Python", "archived": False,
        "disabled": False, "open_issues_count": 2, "license": None, "visibility": "private", "default_branch": "main",
        **{f"{part}_url": f"{at}/{part}" for part in REPOSITORY_URLS},
    }  # fmt: skip


def _about(full_name: str, action: str = "", **parts: Any) -> Payload:
    named = {"action": action} if action else {}
    return {**named, **parts, "repository": repository(full_name), "sender": user()}


def _end(full_name: str, ref: str, sha: str) -> Payload:
    return {"label": f"fernhill:{ref}", "ref": ref, "sha": sha, "user": user(), "repo": repository(full_name)}


def _pull(full_name: str, sha: str) -> Payload:
    at = f"https://api.github.com/repos/{full_name}/pulls/1"
    return {
        "url": at, "id": 279147437, "number": 1, "state": "open", "locked": False, "title": "SHOP-1.1", "user": user(),
        "body": "Change 1.", "created_at": AT, "updated_at": AT, "closed_at": None, "merged_at": None,
        "merge_commit_sha": "c" * 40, "assignee": None, "assignees": [], "requested_reviewers": [], "labels": [],
        "milestone": None, "draft": False, "head": _end(full_name, "guildhall/SHOP-1.1-2", sha),
        "base": _end(full_name, "main", BASE), "author_association": "OWNER",
    }  # fmt: skip


def _suite(full_name: str, sha: str) -> Payload:
    short = {"id": 279147437, "number": 1, "head": {"ref": "changes", "sha": sha}, "base": {"ref": "main", "sha": BASE}}
    return {
        "id": 118578147, "head_branch": "changes", "head_sha": sha, "status": "completed", "conclusion": "success",
        "url": f"https://api.github.com/repos/{full_name}/check-suites/118578147", "before": BEFORE, "after": sha,
        "pull_requests": [short], "app": {"id": 29310, "slug": "github-actions", "owner": user("github")},
        "created_at": AT, "updated_at": AT,
    }  # fmt: skip


def check_run(full_name: str, sha: str, conclusion: str = "success") -> Payload:
    suite = _suite(full_name, sha)
    run = {
        "id": 128620228, "head_sha": sha, "external_id": "", "status": "completed", "conclusion": conclusion,
        "started_at": AT, "completed_at": AT, "name": "build", "check_suite": suite, "app": suite["app"],
        "output": {"title": None, "summary": None, "text": None, "annotations_count": 0, "annotations_url": ""},
        "pull_requests": suite["pull_requests"],
    }  # fmt: skip
    return _about(full_name, "completed", check_run=run)


def check_suite(full_name: str, sha: str) -> Payload:
    commit = {"id": sha, "tree_id": "d" * 40, "message": "SHOP-1.1", "timestamp": AT}
    suite = {**_suite(full_name, sha), "latest_check_runs_count": 1, "head_commit": commit}
    return _about(full_name, "completed", check_suite=suite)


def workflow_run(full_name: str, sha: str) -> Payload:
    run = {"id": 30433642, "head_branch": "changes", "head_sha": sha, "event": "push", "status": "completed"}
    return _about(full_name, "completed", workflow_run={**run, "conclusion": "success"}, workflow={"name": "CI"})


def status(full_name: str, sha: str) -> Payload:
    branches = [{"name": "main", "commit": {"sha": BASE}}]
    return _about(full_name, id=6805126730, sha=sha, name=full_name, context="ci", state="success", branches=branches)


def pull_request(full_name: str, sha: str) -> Payload:
    return _about(full_name, "synchronize", number=1, before=BEFORE, after=sha, pull_request=_pull(full_name, sha))


def pull_request_review(full_name: str, sha: str) -> Payload:
    """A review of an earlier commit of a pull request that has moved on to `sha`."""
    review = {"id": 237895671, "user": user(), "body": "See the lines.", "commit_id": BEFORE, "submitted_at": AT}
    review |= {"state": "changes_requested", "author_association": "MEMBER"}
    return _about(full_name, "submitted", review=review, pull_request=_pull(full_name, sha))


def pull_request_review_comment(full_name: str, sha: str) -> Payload:
    comment = {
        "id": 284312630, "pull_request_review_id": 237895671, "path": "till/basket.py", "position": 1, "line": 3,
        "commit_id": BEFORE, "original_commit_id": BEFORE, "user": user(), "body": "Say why.", "side": "RIGHT",
        "diff_hunk": "@@ -1 +1 @@", "created_at": AT, "updated_at": AT, "author_association": "MEMBER",
    }  # fmt: skip
    return _about(full_name, "created", comment=comment, pull_request=_pull(full_name, sha))


def push(full_name: str, sha: str, ref: str = "refs/heads/changes") -> Payload:
    """A push; with `NOTHING` as its commit, the deletion of a branch."""
    gone = sha == NOTHING
    head = None if gone else {"id": sha, "tree_id": "d" * 40, "distinct": True, "message": "SHOP-1.1", "timestamp": AT}
    return _about(
        full_name, ref=ref, before=BEFORE, after=sha, created=False, deleted=gone, forced=False, base_ref=None, compare="",
        commits=[] if gone else [head], head_commit=head, pusher={"name": "octavia", "email": "octavia@example.org"},
    )  # fmt: skip


def issue_comment(full_name: str) -> Payload:
    """A remark on a pull request as a whole: it names no commit."""
    issue = {"number": 1, "title": "SHOP-1.1", "user": user(), "state": "open", "pull_request": {"url": ""}}
    return _about(full_name, "created", issue=issue, comment={"id": 492700400, "user": user(), "body": "Please."})


def ping(full_name: str) -> Payload:
    """What GitHub sends when a webhook was made."""
    hook = {
        "type": "Repository", "id": 109948940, "name": "web", "active": True, "events": ["check_run", "pull_request_review"],
        "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": "https://acme.example/hooks"},
        "created_at": AT, "updated_at": AT, "last_response": {"code": None, "status": "unused", "message": None},
    }  # fmt: skip
    return _about(full_name, zen="Keep it logically awesome.", hook_id=109948940, hook=hook)
