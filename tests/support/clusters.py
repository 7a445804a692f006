"""Migrated PostgreSQL clusters, kept under `var/` for the next run of the tests: making one takes longer than most files.

A cluster is named by a digest of everything that shapes it, so that a changed migration is never tested on an old one.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = 3
SHAPED_BY = (
    "requirements/run.txt",
    "manage.py",
    "*/migrations/**/*",
    "platform/*/migrations/**/*",
    "platform/guildhall/*/migrations/**/*",
    "platform/guildhall/settings/*.py",
    "platform/guildhall/kernel/postgres/*.py",
    "platform/guildhall/embedded/postgres.py",
    "platform/guildhall/embedded/roles.py",
    "tenants/management/**/*.py",
    "tenants/provisioning/*.py",
    "tests/support/clusters.py",
    "tests/support/services.py",
)
"""What a migrated cluster comes from, as globs; one too many costs a migration, one too few an honest test."""
SHAPE = "GUILDHALL_TEST_SHAPE"
"""The environment variable with the digest of the cluster to take, where the tree's own is not meant."""


def shape() -> str:
    """A digest of all files that a migrated cluster depends on."""
    digest = hashlib.sha256()
    for pattern in SHAPED_BY:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def furnish(folder: Path, names: tuple[str, ...], make: Callable[[], None]) -> None:
    """Put the parts called `names` of a migrated cluster into `folder`: copies of kept ones, else what `make` makes there.

    `make` leaves them at rest. Two runs that come at once make one cluster: the second waits for the first.
    """
    shelf = Path(os.environ.get("GUILDHALL_TEST_CLUSTERS", ROOT / "var" / "test-clusters"))
    shelf.mkdir(parents=True, exist_ok=True)
    named = os.environ.get(SHAPE)
    kept = shelf / (named or shape())
    with _alone(shelf / f"{kept.name}.lock"):
        if kept.is_dir():
            kept.touch()
        elif named:
            raise FileNotFoundError(f"no cluster {named} is kept in {shelf}")
        else:
            make()
            _keep(folder, names, kept)
            return
        _copy(kept, names, folder)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _keep(folder: Path, names: tuple[str, ...], kept: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=kept.parent))
    _copy(folder, names, draft)
    draft.rename(kept)
    known = sorted((path for path in kept.parent.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in known[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _copy(source: Path, names: tuple[str, ...], target: Path) -> None:
    # Owners and modes have to come along: the server refuses to start on files of somebody else.
    subprocess.run(["cp", "-a", *(str(source / name) for name in names), str(target)], check=True)
