"""A run's files as it left them last: in its commit, or after a step that changed them and is not committed yet.

They are read from git's object stores, never from a disk's tree: a path is compared with the names in a stored tree and with
nothing else, so that none leads out of it.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.db.models import Q

from governance.policies.document_sections import Files
from governance.selectors.policy import active_policy
from gpu_workers.actions.workspaces import GONE
from gpu_workers.folders import repository_folder, workspace_folder
from gpu_workers.models import Run
from gpu_workers.repos import GitError, Workspace, plain_name
from gpu_workers.repos.reading import TreeEntry, ls_tree, read_file
from gpu_workers.tools.contract import DEFAULT_FILES
from guildhall.kernel.errors import NotFound, TooLarge
from guildhall.kernel.redaction import redact
from guildhall.kernel.tenancy import release_connection

MAX_SHOWN = 512 * 1024
MOST_ENTRIES = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder: `kind` is folder, file, link or submodule; `size` in bytes, of files alone."""

    name: str
    path: str
    kind: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder; `left_out` counts entries beyond those that are shown."""

    path: str
    entries: tuple[Entry, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A file without the secrets in it; `text` is None for what is no text, and of a link it is where it points."""

    path: str
    kind: str
    size: int
    text: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A stored tree: the commit `sha`, or with a `step` the tree that was there after that step of the run."""

    store: Path
    sha: str
    step: str = ""
    removed: date | None = None
    """When the run's workspace was removed; None while it is there."""
    lost: bool = False
    """What was not committed went with the workspace."""


def place_of(run: Run) -> Place:
    """Where the run's files are to be read: what is newer, its last commit or its last call. Raises `NotFound`."""
    changed = Q(kind="commit", response__sha__gt="") | Q(kind="tool", response__has_key="tree")
    last = run.steps.filter(changed, finished_at__isnull=False).order_by("-id").first()
    workspace, gone = Workspace(workspace_folder(run.number)), run.outcome.get(GONE)
    if gone is not None:
        return _without_workspace(run, gone)
    if last is not None and not (last.response or {}).get("sha") and workspace.ready:
        return Place(workspace.git_dir, str((last.response or {})["tree"]), last.key)
    committed = str((last.response or {}).get("sha", "")) if last else ""
    sha = committed or run.head_sha or run.base_sha
    if not sha or not run.repository:
        raise NotFound(f"Run {run.number} has no commit to look at.")
    return Place(repository_folder(run.repository), sha)


def _without_workspace(run: Run, gone: dict[str, Any]) -> Place:
    sha = gone["kept"] or run.head_sha or run.base_sha
    if not sha or not run.repository:
        raise NotFound(f"Run {run.number} has no commit to look at.")
    removed = date.fromisoformat(gone["removed"])
    return Place(repository_folder(run.repository), sha, gone["step"], removed, gone["lost"])


def look(run: Run, path: str) -> tuple[Place, Listing | Shown]:
    """The folder or file at `path` of the run's files, "" for the root. Raises `NotFound`, `TooLarge`."""
    place, wanted = place_of(run), path.strip("/")
    files = active_policy().document.files
    release_connection()
    try:
        tree = _visible(place, files)
        found = tree.get(wanted)
        if found is not None:
            content = read_file(place.store, place.sha, found.path, MAX_SHOWN) if _readable(found) else b""
            return place, _file(found, content)
    except GitError as trouble:
        raise NotFound(f"The files of run {run.number} cannot be read.") from trouble
    prefix = f"{wanted}/" if wanted else ""
    inside = {path: entry for path, entry in tree.items() if path.startswith(prefix)}
    if not inside and wanted:
        raise NotFound(f"There is no {wanted[:200]!r} here.")
    entries = _entries(inside, prefix)
    return place, Listing(wanted, tuple(entries[:MOST_ENTRIES]), max(0, len(entries) - MOST_ENTRIES))


def _readable(entry: TreeEntry) -> bool:
    if entry.size is not None and entry.size > MAX_SHOWN:
        raise TooLarge(f"{plain_name(entry.path)} has {entry.size} bytes; at most {MAX_SHOWN} are shown.")
    return not entry.is_submodule


def _file(entry: TreeEntry, content: bytes) -> Shown:
    text = None if entry.is_submodule or b"\0" in content else redact(content.decode("utf-8", "replace"))
    return Shown(plain_name(entry.path), _kind(entry), len(content), text)


def _entries(inside: dict[str, TreeEntry], prefix: str) -> list[Entry]:
    found: dict[str, Entry] = {}
    for path, entry in inside.items():
        name, _, below = path[len(prefix) :].partition("/")
        if below:
            found[name] = Entry(name, prefix + name, "folder", None)
        else:
            found[name] = Entry(name, path, _kind(entry), entry.size)
    return sorted(found.values(), key=lambda entry: (entry.kind != "folder", entry.name))


def _kind(entry: TreeEntry) -> str:
    return "link" if entry.is_link else "submodule" if entry.is_submodule else "file"


def _visible(place: Place, files: Files) -> dict[str, TreeEntry]:
    """What is there by the names that links can carry. Files that agents may not read are not shown here either."""
    entries = (entry for entry in ls_tree(place.store, place.sha) if DEFAULT_FILES.may_see(entry.path))
    return {plain_name(entry.path): entry for entry in entries if files.may_see(entry.path)}
