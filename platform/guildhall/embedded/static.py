"""Where static files are, and whether they have been collected as they are now (`collect` does it)."""

import hashlib
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
STATIC_SOURCE = REPOSITORY / "static" / "src"
STATIC_ROOT = REPOSITORY / "static" / "build"
STAMP = STATIC_ROOT / ".collected-from"
PACKAGES = (REPOSITORY / "requirements" / "run.txt", REPOSITORY / "platform" / "guildhall" / "settings" / "__init__.py")

PACKED = {"gh": ("css", "js", "svg"), "vendor": ("css", "js")}
"""Folders whose texts lie there packed as well, and the endings of these texts."""
HASHED = re.compile(r"\.[0-9a-f]{12}\.[a-z0-9]+$")
"""A name that is for ever the name of what is in the file."""


def collected() -> bool:
    """Whether what was collected is what is there now (our own files, and the packages that bring some)."""
    return STAMP.exists() and STAMP.read_text() == fingerprint()


def fingerprint() -> str:
    """A digest of what static files are collected from: names, sizes and times."""
    digest = hashlib.sha256()
    for path in sorted([*STATIC_SOURCE.rglob("*"), *PACKAGES]):
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
