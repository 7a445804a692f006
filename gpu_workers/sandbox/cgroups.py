"""Control groups of commands: ours for bubblewrap, those that a container engine makes below ours, and what became of them.

Both layouts are known, one hierarchy for all controllers and one for each. A group is named after the process that asked for
it, so that what a killed one left is told from what is in use.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PARENT = "guildhall-sandbox"
LIMIT = "memory.limit_in_bytes"
CONTROLLERS = "cgroup.controllers"
HANDED_ON = "cgroup.subtree_control"
SLACK = 2 * 1024 * 1024
"""How far below a limit memory can be said to have been full: pages are counted in bunches."""
_count = itertools.count(1)


def fresh_group() -> str:
    """A name that no other group has, of this process or of another."""
    return f"{os.getpid()}-{_began(os.getpid())}-{next(_count)}"


def made_group(memory: int) -> str:
    """A group in which the kernel holds all processes together to that much memory; empty where this process can make none."""
    group = fresh_group()
    try:
        place = _with_memory() / PARENT / group
        place.mkdir()
        limits = _limits(place, memory)
        for name, value in limits:
            (place / name).write_text(value)
        if not limits:
            raise FileNotFoundError(LIMIT)
    except OSError:
        remove_group(group)
        return ""
    return group


def entrance(group: str) -> Path:
    """What a process writes itself into to be in the group that was made."""
    return next(place / "cgroup.procs" for place in _places(group) if _limits(place, 0))


def _with_memory() -> Path:
    """The hierarchy that counts memory, with our parent group in it. Raises OSError where there is none for us."""
    if (ROOT / "memory" / LIMIT).is_file():
        (ROOT / "memory" / PARENT).mkdir(exist_ok=True)
        return ROOT / "memory"
    if "memory" not in (ROOT / CONTROLLERS).read_text().split():
        raise FileNotFoundError("memory")
    (ROOT / PARENT).mkdir(exist_ok=True)
    for place in (ROOT, ROOT / PARENT):
        if "memory" not in (place / HANDED_ON).read_text().split():
            (place / HANDED_ON).write_text("+memory")
    return ROOT


def _limits(place: Path, memory: int) -> list[tuple[str, str]]:
    """What is written to limit a group, by the files that it has: nothing of it may go to swap."""
    if (place / LIMIT).exists():
        rows = [(LIMIT, str(memory)), ("memory.memsw.limit_in_bytes", str(memory))]
    elif (place / "memory.max").exists():
        rows = [("memory.max", str(memory)), ("memory.swap.max", "0"), ("memory.oom.group", "1")]
    else:
        return []
    return [(name, value) for name, value in rows if (place / name).exists()]


def memory_ran_out(group: str) -> bool:
    """Whether the kernel ended a process of the group, or of one below, for want of memory."""
    return any(_ended_some(folder) for place in _places(group) for folder in (place, *_folders(place)))


def memory_was_full(group: str, limit: int) -> bool:
    """The same for a group of which nothing runs any more, and whose groups below may be gone."""
    return memory_ran_out(group) or any(_peak(place) >= limit - SLACK for place in _places(group))


def remove_group(group: str) -> None:
    """Remove it and what is below it, unless something runs there."""
    for place in _places(group):
        for folder in (*sorted(place.rglob("*/"), reverse=True), place):
            with suppress(OSError):
                folder.rmdir()


def remove_left_groups() -> None:
    """Remove those of processes that are gone."""
    left = {place.name for parent in _places("") for place in _folders(parent)}
    for group in left:
        pid, _, rest = group.partition("-")
        if _began(int(pid)) != rest.partition("-")[0]:
            remove_group(group)


def _began(pid: int) -> str:
    """When a process began, in ticks since the machine did; empty where there is none."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return told.rpartition(")")[2].split()[19]


def _places(group: str) -> Iterator[Path]:
    for hierarchy in (ROOT, *ROOT.glob("*/")):
        place = hierarchy / PARENT / group
        if place.is_dir():
            yield place


def _folders(place: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(place) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _ended_some(folder: Path) -> bool:
    for name in ("memory.events", "memory.oom_control"):
        with suppress(OSError, ValueError):
            facts = dict(line.split() for line in (folder / name).read_text().splitlines())
            if int(facts.get("oom_kill", 0)):
                return True
    return False


def _peak(place: Path) -> int:
    try:
        return int((place / "memory.max_usage_in_bytes").read_text())
    except (OSError, ValueError):
        return 0
