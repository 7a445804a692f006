"""Documents of a workspace as passages: what its files say, within the bounds that reading them has. Pure; no Django."""

import os
from collections.abc import Callable
from pathlib import Path

from gpu_workers.confined import PathRefused, confined_files, confined_folder, confined_read
from gpu_workers.knowing.passages import Clean, Passage, split_document

ENDINGS = (".md", ".markdown", ".rst", ".txt")
MOST_LOOKED_AT = 20_000
MOST_FILES = 400
MOST_BYTES = 2 * 1024 * 1024
"""Read of all documents together; what does not fit is left out."""
LONGEST = 512 * 1024
"""Bytes of one document; a longer one is left out, as what is cut off might have shown that a secret is one."""


def read_documents(tree: Path, may_see: Callable[[str], bool], clean: Clean) -> list[Passage]:
    """The passages of the documents below `tree` that may be seen; none where there is no workspace.

    No link is followed. `clean` takes out what nobody may read, of a document as a whole: a part of a secret would not be
    known for one.
    """
    found: list[Passage] = []
    left = MOST_BYTES
    for path in _paths(tree, may_see):
        room = min(LONGEST, left)
        try:
            content = confined_read(tree, path, room + 1) if _size(tree, path) <= room else None
        except (PathRefused, OSError):
            continue
        if content is None:
            continue
        left -= min(len(content), left)
        if len(content) <= room and b"\0" not in content:
            found += split_document(path, clean(content.decode("utf-8", "replace")))
    return found


def _size(tree: Path, path: str) -> int:
    """Bytes of a file as it stands there; one that is too long is not even read."""
    folder, _, name = path.rpartition("/")
    with confined_folder(tree, folder) as fd:
        return os.stat(name, dir_fd=fd, follow_symlinks=False).st_size


def _paths(tree: Path, may_see: Callable[[str], bool]) -> list[str]:
    try:
        files = confined_files(tree, limit=MOST_LOOKED_AT)
    except OSError:
        return []
    named = [path for path in files if path.lower().endswith(ENDINGS)]
    return [path for path in named if may_see(path)][:MOST_FILES]
