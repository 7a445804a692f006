"""The file of an export: a ZIP archive of JSON lines, repositories and files, and last a manifest of all of them.

The manifest names each member with its length and SHA-256, so the SHA-256 of the manifest seals the whole: it is the
export's root, and it is published where the roots of audit chains are.
"""

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guildhall.evidence.chain import Report
from guildhall.evidence.exported import CHAIN, EXPIRED, SEALS, verify_lines
from guildhall.evidence.roots import Published
from tenants.archiving.parts import PIECE, Part

FORMAT = 1
MANIFEST = "manifest.json"
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
"""What reading a member of a damaged archive raises."""
PARTIAL = ".partial"


class BrokenExport(ValueError):
    """An export is not what was sealed; the message names the first member, row or seal."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An export as it was written: its length in bytes, its root (hex), and the fingerprint of each part's source."""

    size: int
    root: str
    sources: dict[str, str]


@dataclass(frozen=True, slots=True)
class Verified:
    """An export that is whole. `sources` are the fingerprints that its parts' sources had."""

    tenant: str
    root: str
    members: int
    rows: int
    chain: Report
    sources: dict[str, str]


def write_export(path: Path, about: Mapping[str, Any], parts: Iterable[Part]) -> Sealed:
    """Write `parts` to `path`, streamed, and after them the manifest with what `about` says; on the disk when this returns.

    Until it is whole it has another name, so a file called `path` is a whole one.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL)
    partial.unlink(missing_ok=True)
    try:
        sealed = _write(partial, about, parts)
    except BaseException:  # a full disk should not stay full
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)
    sync_folder(path.parent)
    return sealed


def _write(path: Path, about: Mapping[str, Any], parts: Iterable[Part]) -> Sealed:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            members = [_add(archive, part) for part in parts]
            manifest = json.dumps({"format": FORMAT, **about, "members": members}, indent=1).encode()
            archive.writestr(MANIFEST, manifest)
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    sources = {str(member["name"]): str(member["source"]) for member in members}
    return Sealed(size, hashlib.sha256(manifest).hexdigest(), sources)


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _add(archive: zipfile.ZipFile, part: Part) -> dict[str, Any]:
    digest, size, rows = hashlib.sha256(), 0, 0
    with archive.open(part.name, "w", force_zip64=True) as member:
        for piece in part.pieces():
            digest.update(piece)
            size += len(piece)
            rows += 1
            member.write(piece)
    found: dict[str, Any] = {"name": part.name, "sha256": digest.hexdigest(), "bytes": size}
    if part.rows:
        found["rows"] = rows
    return {**found, "source": part.state() if part.state is not None else digest.hexdigest()}


def verify_export(path: Path, sealed: Mapping[str, set[str]], published: Published, gone: Published) -> Verified:
    """Read a whole export back. Raises `BrokenExport` at the first thing that is not as it was sealed.

    `sealed`, `published` and `gone` are what stands outside the database: roots of exports, of chains, and of what
    of them had expired.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _verify(archive, sealed, published, gone)
    except BROKEN as problem:
        raise BrokenExport(f"{path.name} cannot be read as an export: {problem}") from problem


def _verify(
    archive: zipfile.ZipFile, sealed: Mapping[str, set[str]], published: Published, gone: Published
) -> Verified:
    manifest, root = _manifest(archive)
    tenant, position = str(manifest["tenant"]), int(manifest["chain"]["position"])
    members: list[dict[str, Any]] = manifest["members"]
    _same_names(archive.namelist(), [*(str(member["name"]) for member in members), MANIFEST])
    for member in members:
        _same_bytes(archive, member)
    report = verify_lines(
        tenant,
        lambda name: _lines(archive, f"{name}.jsonl"),
        published.get(tenant, {}),
        gone.get(tenant, {}),
        position,
    )
    if report.broken:
        raise BrokenExport(str(report.broken))
    # Asked last, because it can say nothing but that something was changed.
    if root not in sealed.get(tenant, set()):
        raise BrokenExport(f"{MANIFEST}: its root {root} was not published outside the database for {tenant}")
    rows = sum(int(member.get("rows", 0)) for member in members)
    return Verified(tenant, root, len(members), rows, report, {str(one["name"]): str(one["source"]) for one in members})


def _manifest(archive: zipfile.ZipFile) -> tuple[dict[str, Any], str]:
    try:
        text = archive.read(MANIFEST)
        manifest = json.loads(text)
        known = (manifest["format"], {f"{name}.jsonl" for name in (CHAIN, SEALS, EXPIRED)})
        there = {str(member["name"]) for member in manifest["members"]}
        int(manifest["chain"]["position"])
    except (KeyError, TypeError, ValueError) as problem:
        raise BrokenExport(f"{MANIFEST} is missing or no manifest") from problem
    if known[0] != FORMAT or not known[1] <= there:
        raise BrokenExport(f"{MANIFEST} is of another format, or names no audit trail")
    return manifest, hashlib.sha256(text).hexdigest()


def _same_names(there: list[str], sealed: list[str]) -> None:
    twice = next((name for name in there if there.count(name) > 1), None) if len(set(there)) < len(there) else None
    if twice is not None:
        raise BrokenExport(f"{twice} is in it twice")
    if missing := sorted(set(sealed) - set(there)):
        raise BrokenExport(f"{missing[0]} is missing")
    if added := sorted(set(there) - set(sealed)):
        raise BrokenExport(f"{added[0]} was added")


def _same_bytes(archive: zipfile.ZipFile, member: Mapping[str, Any]) -> None:
    digest, size, name = hashlib.sha256(), 0, str(member["name"])
    try:
        with archive.open(name) as opened:
            while piece := opened.read(PIECE):
                digest.update(piece)
                size += len(piece)
    except BROKEN as problem:
        raise BrokenExport(f"{name} was changed: {problem}") from problem
    if (digest.hexdigest(), size) != (member["sha256"], member["bytes"]):
        raise BrokenExport(f"{name} was changed: it is not what its manifest says")


def _lines(archive: zipfile.ZipFile, name: str) -> Iterator[str]:
    with archive.open(name) as opened, io.TextIOWrapper(opened, "utf-8", newline="\n") as lines:
        yield from lines
