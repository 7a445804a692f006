"""Places and parts that the execution tests share: real folders, a real sandbox, real git."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_workers.sandbox import Sandbox, SandboxSettings, WallKind
from gpu_workers.tests.shop_database import Server, serving


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that the sandboxed user can reach; pytest's own are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="guildhall-ground-"))
    os.chmod(folder, 0o755)  # noqa: S103
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Bubblewrap, or what a test is parametrised with."""
    box = Sandbox(SandboxSettings(walls=getattr(request, "param", WallKind.BUBBLEWRAP)))
    reason = box.unavailable()
    if reason is not None:
        pytest.fail(f"These tests need a usable sandbox: {reason}")
    return box


@pytest.fixture
def workspace(ground: Path, sandbox: Sandbox) -> Path:
    return sandbox.prepare_workspace(ground / "workspace")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A project's own PostgreSQL; starting one takes longer than what is asked of it."""
    with serving() as found:
        yield found
