"""A server that speaks the part of GitHub's REST API that we use, and git over http through `git http-backend`.

One repository, `fernhill/till`, with its `issues` (from 101 on; what is said of one is in its `said`).
Pull requests merge as GitHub merges them: a merge commit, only if `sha` is the head. What
checks say is set with `judge`, statuses of the old kind with `say`; a commit that nothing was set for has none. Every call is
journaled without its token.
Everybody may read it, and what others may do is in `rights`.
`opinion` is asked to judge a commit that nobody
did. Another `token` revokes the one that was given out; it may read statuses while `reads_statuses`.
`forbids` is why it merges nothing (405), as a setting of the repository may be.
`limited` answers that many calls with 429, `broken` names a path after whose call the connection is cut off, as when the
answer is lost although the deed is done.
"""

import base64
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.serving import Answering, Serving

FULL_NAME = "fernhill/till"
TOKEN = "fake-" + "forge-" + "0a1b2c3d4e5f6a7b8c9d"
PAGE = 2
"""Items on one page, whatever is asked for: so that pages are followed."""
LISTS = ("check_runs", "statuses")
"""What is listed within an object."""
NOTED = {"path": "till/basket.py", "start_line": 3, "end_line": 3, "annotation_level": "failure", "title": None}
"""What there is to a remark of a check on a line besides its words."""
AS_IT_IS = object()


class GitHubServer(Serving):
    """`url` is the API's base, `repo` the bare repository."""

    def __init__(self, folder: Path) -> None:
        super().__init__(_Handler)
        self.root, self.repo = folder, folder / "fernhill" / "till.git"
        self.pulls: list[dict[str, Any]] = []
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.statuses: dict[str, dict[str, dict[str, Any]]] = {}
        self.remarks: list[dict[str, Any]] = []
        self.reviews: list[dict[str, Any]] = []
        self.rights: dict[str, str] = {}
        self.issues: dict[int, dict[str, Any]] = {}
        self.journal: list[str] = []
        self.limited, self.broken, self.forbids, self.pushes, self.token = 0, "", "", True, TOKEN
        self.reads_statuses = True
        self.told: Any = AS_IT_IS
        self.opinion: Callable[[str], None] = lambda sha: None
        self.lock = threading.RLock()
        self.url = f"{self.at}/api"
        self.repo.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main")
        self.git("config", "http.receivepack", "true")

    def git(self, *arguments: str, data: bytes = b"") -> str:
        who = {f"GIT_{part}_{what}": "hub" for part in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", f"--git-dir={self.repo}", *arguments]
        done = subprocess.run(command, input=data, capture_output=True, check=True, env={**_environment(), **who})
        return done.stdout.decode().strip()

    def head(self, branch: str = "main") -> str:
        return self.git("rev-parse", "--verify", f"refs/heads/{branch}")

    def branches(self) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname:short)", "refs/heads/").split()

    def start(self, files: dict[str, bytes]) -> str:
        """One first commit with these files on main."""
        return self.commit("main", files, [])

    def commit(self, branch: str, files: dict[str, bytes], parents: list[str]) -> str:
        """A commit with these files over those of its first parent, put on `branch`."""
        index = {"GIT_INDEX_FILE": str(self.root / "index")}
        (self.root / "index").unlink(missing_ok=True)
        base = ["git", f"--git-dir={self.repo}"]
        environment = {**_environment(), **index}
        if parents:
            subprocess.run([*base, "read-tree", parents[0]], check=True, env=environment)
        lines = [
            f"100644 {self.git('hash-object', '-w', '--stdin', data=text)}\t{name}" for name, text in files.items()
        ]
        told = "\n".join(lines).encode() + b"\n"
        subprocess.run([*base, "update-index", "--index-info"], input=told, check=True, env=environment)
        tree = subprocess.run([*base, "write-tree"], capture_output=True, check=True, env=environment).stdout.decode()
        words = [word for parent in parents for word in ("-p", parent)]
        sha = self.git("commit-tree", tree.strip(), *words, "-m", "From elsewhere")
        self.git("update-ref", f"refs/heads/{branch}", sha)
        return sha

    def judge(
        self, sha: str, conclusion: str | None, *, text: str = "", log: str = "", note: str = "", names: int = 3
    ) -> None:
        """Have `names` checks on a commit: the last ends with `conclusion` (None: it still runs), the others well.

        `text` is its summary, `log` its job's log, `note` a remark on the third line of the basket.
        """
        number = 1000 + 10 * len(self.runs)
        self.runs[sha] = [
            {
                "id": number + at,
                "head_sha": sha,
                "name": f"build {at}",
                "status": "completed" if at < names - 1 or conclusion else "in_progress",
                "conclusion": "success" if at < names - 1 else conclusion,
                "output": {
                    "title": None,
                    "summary": text if at == names - 1 else None,
                    "text": None,
                    "annotations_count": 1 if note and at == names - 1 else 0,
                },
                "app": {"slug": "github-actions"},
                "log": log,
                "note": note,
            }
            for at in range(names)
        ]

    def say(self, sha: str, context: str, state: str, description: str = "") -> None:
        """Set a commit's status of the old kind: the last of each context counts."""
        self.statuses.setdefault(sha, {})[context] = {
            "id": len(self.statuses), "state": state, "context": context, "description": description,
            "target_url": f"https://ci.example/{context}",
        }  # fmt: skip

    def combined(self, sha: str) -> dict[str, Any]:
        """All statuses of a commit as one: failure before pending before success; without any it is called pending."""
        found = list(self.statuses.get(sha, {}).values())
        states = {each["state"] for each in found}
        state = "success" if states == {"success"} else "failure" if states & {"failure", "error"} else "pending"
        return {"state": state, "sha": sha, "total_count": len(found), "statuses": found}

    def report(self, title: str, text: str, *labels: str, pull: bool = False) -> int:
        """Open an issue, or what GitHub lists among them for a pull request; its number."""
        number = 101 + len(self.issues)
        self.issues[number] = {
            "number": number, "title": title, "body": text, "state": "open", "said": [],
            "html_url": f"https://github.com/{FULL_NAME}/issues/{number}",
            "labels": [{"name": label} for label in labels],
            **({"pull_request": {"url": f"{self.url}/pulls/{number}"}} if pull else {}),
        }  # fmt: skip
        return number

    def note(self, line: str) -> None:
        with self.lock:
            self.journal.append(line)

    def count(self, start: str) -> int:
        return sum(line.startswith(start) for line in self.journal)

    def merge(self, pull: dict[str, Any], sha: str) -> tuple[int, dict[str, Any]]:
        """As PUT …/merge: 409 where the head is another one, 405 where it does not merge or is not to."""
        head, base = self.head(pull["head"]["ref"]), self.head()
        if self.forbids:
            return 405, {"message": self.forbids}
        if head != sha:
            return 409, {"message": "Head branch was modified. Review and try the merge again."}
        command = ["git", f"--git-dir={self.repo}", "merge-tree", "--write-tree", base, head]
        tree = subprocess.run(command, capture_output=True, check=False, env=_environment())
        if pull["merged"] or tree.returncode:
            return 405, {"message": "Pull Request is not mergeable"}
        merge = self.git("commit-tree", tree.stdout.decode().split()[0], "-p", base, "-p", head, "-m", "Merge")
        self.git("update-ref", "refs/heads/main", merge, base)
        pull.update(merged=True, state="closed", merge_commit_sha=merge)
        return 200, {"sha": merge, "merged": True, "message": "Pull Request successfully merged"}


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}


class _Handler(Answering):
    fake: GitHubServer
    protocol_version = "HTTP/1.0"

    def take(self) -> None:
        method, parts = self.command, urlsplit(self.path)
        if parts.path.startswith("/git/"):
            self._git(method, parts.path.removeprefix("/git"), parts.query)
            return
        body = self.body()
        path = parts.path.removeprefix("/api")
        hub = self.fake
        hub.note(f"{method} {path}")
        if path.startswith("/blobs/"):
            self._blob(path)
        elif self.headers.get("Authorization") != f"Bearer {hub.token}":
            self.tell(401, {"message": "Bad credentials"})
        elif hub.limited > 0:
            hub.limited -= 1
            self.tell(429, {"message": "API rate limit exceeded"}, {"Retry-After": "7"})
        else:
            with hub.lock:
                status, data = self._answer(method, path, parse_qs(parts.query), json.loads(body or b"{}"))
            if hub.broken and path.endswith(hub.broken) and method != "GET":
                hub.broken = ""
                self.close_connection = True
                return
            self._pages(status, data, parse_qs(parts.query))

    def _answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, Any]:
        hub, base = self.fake, f"/repos/{FULL_NAME}"
        if not path.startswith(base):
            return 404, {"message": "Not Found"}
        rest = path.removeprefix(base)
        if rest == "" and hub.told is not AS_IT_IS:
            return 200, hub.told
        if rest == "":
            clone = f"{hub.at}/git/{FULL_NAME}.git"
            permissions = {"pull": True, "push": hub.pushes, "admin": False}
            return 200, {
                "full_name": FULL_NAME, "default_branch": "main", "clone_url": clone, "permissions": permissions
            }  # fmt: skip
        if rest == "/pulls":
            return self._open(body) if method == "POST" else (200, self._listed(query))
        if found := re.fullmatch(r"/pulls/(\d+)(/\w+)?", rest):
            return self._pull(method, hub.pulls[int(found[1]) - 1], found[2] or "", body)
        if found := re.fullmatch(r"/collaborators/([\w-]+)/permission", rest):
            return 200, {"permission": hub.rights.get(found[1], "read"), "user": {"login": found[1]}}
        if rest == "/issues":
            return 200, [issue for issue in reversed(hub.issues.values()) if issue["state"] == "open"]
        if (found := re.fullmatch(r"/issues/(\d+)(/\w+)?", rest)) and int(found[1]) > 100:
            return self._issue(method, int(found[1]), found[2] or "", body)
        if re.fullmatch(r"/issues/\d+/comments", rest):
            return 200, [remark for remark in hub.remarks if "path" not in remark]
        if found := re.fullmatch(r"/commits/(\w+)/check-runs", rest):
            if found[1] not in hub.runs:
                hub.opinion(found[1])
            return 200, {"total_count": len(hub.runs.get(found[1], [])), "check_runs": hub.runs.get(found[1], [])}
        if found := re.fullmatch(r"/check-runs/(\d+)/annotations", rest):
            return 200, [{**NOTED, "message": self._run(found[1])["note"]}]
        if found := re.fullmatch(r"/commits/(\w+)/status", rest):
            if not hub.reads_statuses:
                return 403, {"message": "Resource not accessible by personal access token"}
            return 200, hub.combined(found[1])
        if found := re.fullmatch(r"/actions/jobs/(\d+)/logs", rest):
            return 302, f"{hub.url}/blobs/{found[1]}"
        return 404, {"message": "Not Found"}

    def _issue(self, method: str, number: int, rest: str, body: dict[str, Any]) -> tuple[int, Any]:
        issue = self.fake.issues.get(number)
        if issue is None:
            return 404, {"message": "Not Found"}
        if rest == "/comments" and method == "POST":
            issue["said"].append({"body": body["body"], "user": {"login": "guildhall"}})
            return 201, issue["said"][-1]
        if rest == "/labels" and method == "POST":
            issue["labels"] += [{"name": label} for label in body["labels"]]
            return 200, issue["labels"]
        if method == "PATCH":
            issue.update(body)
        return (200, issue["said"]) if rest == "/comments" else (200, issue)

    def _open(self, body: dict[str, Any]) -> tuple[int, Any]:
        hub = self.fake
        if any(pull["state"] == "open" and pull["head"]["ref"] == body["head"] for pull in hub.pulls):
            return 422, {"message": "Validation Failed"}
        number = len(hub.pulls) + 1
        page = f"https://github.com/{FULL_NAME}/pull/{number}"
        pull = {
            "number": number, "html_url": page, "state": "open", "merged": False, "merge_commit_sha": None,
            "title": body["title"], "body": body["body"], "head": {"ref": body["head"]}, "base": {"ref": body["base"]},
        }  # fmt: skip
        hub.pulls.append(pull)
        return 201, self._shown(pull)

    def _shown(self, pull: dict[str, Any]) -> dict[str, Any]:
        ref = pull["head"]["ref"]
        return {**pull, "head": {"ref": ref, "sha": self.fake.head(ref)}}

    def _listed(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        head = query["head"][0].removeprefix("fernhill:")
        return [self._shown(p) for p in self.fake.pulls if p["state"] == "open" and p["head"]["ref"] == head]

    def _pull(self, method: str, pull: dict[str, Any], rest: str, body: dict[str, Any]) -> tuple[int, Any]:
        if rest == "/merge" and method == "PUT":
            return self.fake.merge(pull, body["sha"])
        if rest == "/comments":
            return 200, [remark for remark in self.fake.remarks if "path" in remark]
        if method == "PATCH" and not pull["merged"]:
            pull["state"] = body["state"]
        return 200, self.fake.reviews if rest == "/reviews" else self._shown(pull)

    def _pages(self, status: int, data: Any, query: dict[str, list[str]]) -> None:
        if status == 302:
            self.tell(302, {}, {"Location": data})
            return
        page = int(query.get("page", ["1"])[0])
        key = next((name for name in LISTS if isinstance(data, dict) and name in data), "")
        items = data[key] if key else data
        several = isinstance(items, list) and len(items) > page * PAGE
        more = {"Link": f'<{self.fake.url}/next>; rel="next"'} if several else {}
        if isinstance(data, list):
            data = items[(page - 1) * PAGE : page * PAGE]
        elif key:
            data = {**data, key: items[(page - 1) * PAGE : page * PAGE]}
        self.tell(status, data, more)

    def _run(self, number: str) -> dict[str, Any]:
        return next(run for runs in self.fake.runs.values() for run in runs if run["id"] == int(number))

    def _blob(self, path: str) -> None:
        text = self._run(path.rpartition("/")[2])["log"]
        wrong = "Authorization" in self.headers
        self.send(400 if wrong else 200, text.encode(), {"Content-Type": "text/plain"})

    def _git(self, method: str, path: str, query: str) -> None:
        basic = base64.b64encode(f"x-access-token:{self.fake.token}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {basic}":
            self.send(401, b"", {"WWW-Authenticate": 'Basic realm="git"'})
            return
        self.fake.note(f"git {method} {path}?{query}")
        body = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" else None
        if body is None:
            body = self.body()
        environment = {
            **_environment(),
            "GIT_PROJECT_ROOT": str(self.fake.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": method,
            "REMOTE_USER": "guildhall",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, check=True, env=environment)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split()[0])
        if self.fake.broken and method == "POST" and path.endswith(self.fake.broken):
            self.fake.broken = ""
            self.close_connection = True
            return
        self.send(status, content, headers)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body
