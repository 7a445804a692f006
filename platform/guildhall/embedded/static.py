"""Collecting the static files, when they changed: `python -m guildhall.embedded.static`."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
STATIC_SOURCE = REPOSITORY / "static" / "src"
STATIC_ROOT = REPOSITORY / "static" / "build"
STAMP = STATIC_ROOT / ".collected-from"
PACKAGES = (REPOSITORY / "requirements" / "run.txt", REPOSITORY / "platform" / "guildhall" / "settings" / "__init__.py")


def collected() -> bool:
    """Whether what was collected is what is there now (our own files, and the packages that bring some)."""
    return STAMP.exists() and STAMP.read_text() == _fingerprint()


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted([*STATIC_SOURCE.rglob("*"), *PACKAGES]):
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def main() -> None:
    fingerprint = _fingerprint()
    command = [sys.executable, "-m", "manage", "collectstatic", "--noinput", "--clear", "--verbosity", "0"]
    status = subprocess.run(command, cwd=REPOSITORY, env=os.environ, check=False).returncode
    if status == 0:
        STAMP.write_text(fingerprint)
    sys.exit(status)


if __name__ == "__main__":
    main()
