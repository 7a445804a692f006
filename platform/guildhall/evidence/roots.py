"""Roots of audit chains outside the database: a folder of append-only files, one a month, that `verify_audit` compares with.

Whoever rewrites chain and seals in the database is caught by them, so the folder may lie on another disk or machine.
"""

import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

LINE = re.compile(r"([a-z0-9_]+) ([0-9]+) ([0-9a-f]{64})")
FIRST = "roots.txt"
"""The one file of before there was one a month."""

Published = dict[str, dict[int, str]]


class UnreadableRoots(ValueError):
    """A file of published roots holds a line that the sealer did not write."""


def publish(folder: Path, roots: Iterable[tuple[str, int, bytes]]) -> None:
    """Append (tenant, position, root) to the month's file; on the disk when this returns."""
    _append(folder, "roots", roots)


def publish_expired(folder: Path, tenant: str, position: int, root: bytes) -> None:
    """Say outside that `tenant`'s chain may begin behind `position`; on the disk when this returns."""
    _append(folder, "expired", [(tenant, position, root)])


def publish_export(folder: Path, tenant: str, position: int, root: bytes) -> None:
    """Say outside that `tenant` was exported up to `position` of its chain, under `root`; on the disk when this returns."""
    _append(folder, "exports", [(tenant, position, root)])


def read_exports(folder: Path) -> dict[str, set[str]]:
    """Roots (hex) of the exports of each tenant; one that was made again has several. Raises `UnreadableRoots`."""
    roots: dict[str, set[str]] = {}
    for tenant, _, root in _lines(sorted(folder.glob("exports-*.txt"))):
        roots.setdefault(tenant, set()).add(root)
    return roots


def _append(folder: Path, name: str, roots: Iterable[tuple[str, int, bytes]]) -> None:
    lines = [f"{tenant} {position} {root.hex()}\n" for tenant, position, root in roots]
    if not lines:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}-{datetime.now(UTC):%Y-%m}.txt").open("a") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())


def read_published(folder: Path) -> Published:
    """Published roots (hex) by tenant and position; an absent folder has none. Raises `UnreadableRoots`.

    The first root of a position counts: a chain that was cut off and sealed anew publishes a second one.
    """
    return _read(sorted(folder.glob("roots*.txt"), key=lambda file: (file.name != FIRST, file.name)))


def read_expired(folder: Path) -> Published:
    """Roots (hex) of what has expired, by tenant and position. Raises `UnreadableRoots`."""
    return _read(sorted(folder.glob("expired-*.txt")))


def _read(files: Iterable[Path]) -> Published:
    roots: Published = {}
    for tenant, position, root in _lines(files):
        roots.setdefault(tenant, {}).setdefault(position, root)
    return roots


def _lines(files: Iterable[Path]) -> Iterator[tuple[str, int, str]]:
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = LINE.fullmatch(line)
            if match is None:
                raise UnreadableRoots(f"{file}, line {number}: not a published root")
            tenant, position, root = match.groups()
            yield tenant, int(position), root
