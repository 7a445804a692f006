"""What the processes of a command hold that no folder shows: memory of all kinds, and files that have no name any more.

It is read from outside, of all processes of the command together, and each file once, however many hold or map it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

BLOCK = 512
KIB = 1024
WRITTEN = re.compile(rb"^RssAnon:\s+(\d+) kB$", re.MULTILINE)
PART = re.compile(rb"^Pss_Anon:\s+(\d+) kB$", re.MULTILINE)
"""The same without what a process has of others': of memory that forks have in common, each its part. It is dear to read."""
BESIDE = re.compile(rb"^(?:VmPTE|VmSwap):\s+(\d+) kB$", re.MULTILINE)
"""The tables that lead to a process's memory, and what of it was swapped out."""
SHARED = re.compile(rb"^RssShmem:\s+(\d+) kB$", re.MULTILINE)
GONE = re.compile(rb"^(\w+)-(\w+) \S+ \S+ (\w+):(\w+) (\d+) +[^\n]* \(deleted\)$", re.MULTILINE)
MARK = b" (deleted)\n"
Inode = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Held:
    """By all processes of a command: how many they are, their memory, and the disk below files without a name, in bytes."""

    processes: int
    memory: int
    disk: int


def look(process: int, allowed: int) -> Held:
    """What is held by everything that descends from a process; where it seems more memory than is allowed, counted anew."""
    processes = descendants(process)
    written = beside = 0
    files: dict[Inode, int] = {}
    for one in processes:
        status = _read(f"/proc/{one}/status")
        written += _sum(WRITTEN, status)
        beside += _sum(BESIDE, status)
        _nameless(one, _sum(SHARED, status), files)
    in_memory = sum(size for (device, _), size in files.items() if device == _memory_device())
    if written + beside + in_memory > allowed:
        written = sum(_written_part(one) for one in processes)
    return Held(len(processes), written + beside + in_memory, sum(files.values()) - in_memory)


def _written_part(process: int) -> int:
    rollup = _read(f"/proc/{process}/smaps_rollup")
    return _sum(PART, rollup) if PART.search(rollup) else _sum(WRITTEN, _read(f"/proc/{process}/status"))


def _sum(kind: re.Pattern[bytes], told: bytes) -> int:
    return sum(int(size) for size in kind.findall(told)) * KIB


def descendants(process: int) -> list[int]:
    """All processes below one, which itself is not among them."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (told := _read(f"/proc/{name}/stat")):
            below.setdefault(int(told.rpartition(b")")[2].split()[1]), []).append(int(name))
    found, waiting = list[int](), [process]
    while waiting:
        children = below.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def _nameless(process: int, shared: int, files: dict[Inode, int]) -> None:
    """Add the files without a name that a process has open, in whichever of its threads, or has mapped."""
    for place in _descriptors(process):
        try:
            found = os.stat(place)
        except OSError:
            continue
        if found.st_nlink == 0 and stat.S_ISREG(found.st_mode):
            files[found.st_dev, found.st_ino] = found.st_blocks * BLOCK
    maps = _read(f"/proc/{process}/maps")
    for begin, end, major, minor, number in GONE.findall(maps) if MARK in maps else ():
        inode = (os.makedev(int(major, 16), int(minor, 16)), int(number))
        if inode in files:
            continue
        try:
            found = os.stat(f"/proc/{process}/map_files/{begin.decode()}-{end.decode()}")
            if found.st_nlink == 0 and stat.S_ISREG(found.st_mode):
                files[found.st_dev, found.st_ino] = found.st_blocks * BLOCK
        except PermissionError:
            # Only root may ask how large it is: it is no more than what is mapped, nor than what the process has of it.
            length = int(end, 16) - int(begin, 16)
            files[inode] = min(length, shared) if inode[0] == _memory_device() else length
        except OSError:
            continue


def _descriptors(process: int) -> Iterator[str]:
    """Threads may have open files of their own."""
    for thread in _names(f"/proc/{process}/task"):
        folder = f"/proc/{process}/task/{thread}/fd"
        for name in _names(folder):
            yield f"{folder}/{name}"


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(place: str) -> bytes:
    try:
        with open(place, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


@cache
def _memory_device() -> int:
    """The file system of what is in memory alone: shared memory, and files that never had a name."""
    fd = os.memfd_create("guildhall-device")
    try:
        return os.fstat(fd).st_dev
    finally:
        os.close(fd)
