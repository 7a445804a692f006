"""A run's files as they stand in its commit: read from the built-in repository's object store, never from a disk's tree.

A path is compared with the names in the commit and with nothing else, so that none leads out of it.
"""

from dataclasses import dataclass

from gpu_workers.folders import repository_folder
from gpu_workers.models import Run
from gpu_workers.repos import GitError
from gpu_workers.repos.reading import TreeEntry, ls_tree, read_file
from gpu_workers.tools.contract import DEFAULT_FILES
from guildhall.kernel.errors import NotFound, TooLarge
from guildhall.kernel.redaction import redact
from guildhall.kernel.tenancy import release_connection

MAX_SHOWN = 512 * 1024
MOST_ENTRIES = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder of the commit: `kind` is folder, file, link or submodule; `size` in bytes, of files alone."""

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


def commit_of(run: Run) -> str:
    """The commit whose files are shown: the last one, else the one that the run began from. Raises `NotFound`."""
    sha = run.head_sha or run.base_sha
    if not sha or not run.repository:
        raise NotFound(f"Run {run.number} has no commit to look at.")
    return sha


def look(run: Run, path: str) -> Listing | Shown:
    """The folder or file at `path` of the run's commit, "" for its root. Raises `NotFound`, `TooLarge`."""
    sha, wanted = commit_of(run), path.strip("/")
    folder = repository_folder(run.repository)
    release_connection()
    try:
        tree = [entry for entry in ls_tree(folder, sha) if not _secret(entry.path)]
        found = next((entry for entry in tree if entry.path == wanted), None)
        if found is not None:
            return _file(found, read_file(folder, sha, wanted, MAX_SHOWN) if _readable(found) else b"")
    except GitError as trouble:
        raise NotFound(f"The files of run {run.number} cannot be read.") from trouble
    prefix = f"{wanted}/" if wanted else ""
    inside = [entry for entry in tree if entry.path.startswith(prefix)]
    if not inside and wanted:
        raise NotFound(f"There is no {wanted[:200]!r} in this commit.")
    entries = _entries(inside, prefix)
    return Listing(wanted, tuple(entries[:MOST_ENTRIES]), max(0, len(entries) - MOST_ENTRIES))


def _readable(entry: TreeEntry) -> bool:
    if entry.size is not None and entry.size > MAX_SHOWN:
        raise TooLarge(f"{entry.path} has {entry.size} bytes; at most {MAX_SHOWN} are shown.")
    return not entry.is_submodule


def _file(entry: TreeEntry, content: bytes) -> Shown:
    text = None if entry.is_submodule or b"\0" in content else redact(content.decode("utf-8", "replace"))
    return Shown(_plain(entry.path), _kind(entry), len(content), text)


def _entries(inside: list[TreeEntry], prefix: str) -> list[Entry]:
    found: dict[str, Entry] = {}
    for entry in inside:
        name, _, below = entry.path[len(prefix) :].partition("/")
        if below:
            found[name] = Entry(_plain(name), _plain(prefix + name), "folder", None)
        else:
            found[name] = Entry(_plain(name), _plain(entry.path), _kind(entry), entry.size)
    return sorted(found.values(), key=lambda entry: (entry.kind != "folder", entry.name))


def _kind(entry: TreeEntry) -> str:
    return "link" if entry.is_link else "submodule" if entry.is_submodule else "file"


def _secret(path: str) -> bool:
    """Files that agents may not read are not shown here either."""
    return not DEFAULT_FILES.may_see(path)


def _plain(path: str) -> str:
    """A name that is no UTF-8, with marks in place of its bytes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
