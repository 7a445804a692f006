"""Users of a namespace in which a command is root: a stretch of ids of the host that nobody else has."""

from __future__ import annotations

import os
from pathlib import Path

from gpu_workers.sandbox.command import RootInside


def can_map_ids() -> bool:
    """Whether this process may give a namespace more than its own user: root may."""
    return os.geteuid() == 0


def map_ids(pid: int, root: RootInside) -> None:
    """Write the ids of the user namespace that `pid` is in. Raises OSError."""
    for kind in ("gid_map", "uid_map"):
        Path(f"/proc/{pid}/{kind}").write_text(f"0 {root.first} {root.count}\n")
