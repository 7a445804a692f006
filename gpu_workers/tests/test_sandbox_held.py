"""What commands hold without a name that shows: memory and disk, against each kind of walls, with and without a control group."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_workers.sandbox import (
    KilledBy,
    Sandbox,
    SandboxCommand,
    SandboxLimits,
    SandboxResult,
    SandboxSettings,
    WallKind,
)
from gpu_workers.sandbox import bubblewrap as bubblewrap_walls
from gpu_workers.sandbox.cgroups import PARENT, ROOT

pytestmark = pytest.mark.integration

MIB = 1024 * 1024
COUNTED = "bubblewrap, counted alone"
Run = Callable[..., SandboxResult]


@pytest.fixture(params=[*WallKind, COUNTED])
def run(request: pytest.FixtureRequest, ground: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    if request.param == COUNTED:
        monkeypatch.setattr(bubblewrap_walls, "made_group", lambda memory: "")
    walls = WallKind.BUBBLEWRAP if request.param == COUNTED else WallKind(request.param)
    box = Sandbox(SandboxSettings(walls=walls))
    workspace = box.prepare_workspace(ground / "workspace")

    def go(source: str, **limits: float) -> SandboxResult:
        bounds = SandboxLimits(**{"wall_s": 60.0, "memory": 96 * MIB, **limits})  # type: ignore[arg-type]
        return box.run(SandboxCommand(["python3", "-c", "import mmap, os, time\n" + source], workspace, limits=bounds))

    return go


MEMORY = {
    "files without a name": (
        "for _ in range(4):\n"
        "    fd = os.memfd_create('a')\n"
        "    for _ in range(50):\n"
        "        os.write(fd, bytes(1 << 20))\n"
    ),
    "mappings that are shared": (
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        m = mmap.mmap(-1, 50 << 20)\n"
        "        m.write(b'x' * (50 << 20))\n"
        "        time.sleep(60)\n"
    ),
    "mappings of files without a name": (
        "kept = []\n"
        "for _ in range(4):\n"
        "    fd = os.memfd_create('a')\n"
        "    os.truncate(fd, 50 << 20)\n"
        "    m = mmap.mmap(fd, 50 << 20)\n"
        "    os.close(fd)\n"
        "    m.write(b'x' * (50 << 20))\n"
        "    kept.append(m)\n"
    ),
}


@pytest.mark.parametrize("way", MEMORY)
def test_memory_that_is_no_process_own_is_limited(run: Run, way: str) -> None:
    assert run(MEMORY[way] + "time.sleep(60)").killed_by == KilledBy.MEMORY


def test_memory_that_processes_have_in_common_counts_once(run: Run) -> None:
    source = (
        "kept = bytearray(b'x') * (40 << 20)\n"
        "m = mmap.mmap(-1, 20 << 20)\n"
        "m.write(b'x' * (20 << 20))\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(1.5)\n"
        "        os._exit(m[7] != 120)\n"
        "print([os.wait()[1] for _ in range(4)])\n"
    )
    result = run(source, memory=160 * MIB)
    assert (result.killed_by, result.output) == (None, "[0, 0, 0, 0]\n")


DISK = {
    "open": "fds = [taken(n) for n in range(6)]\n",
    "mapped": (
        "kept = []\n"
        "for n in range(6):\n"
        "    fd = taken(n)\n"
        "    kept.append(mmap.mmap(fd, 10 << 20, mmap.MAP_SHARED, mmap.PROT_READ))\n"
        "    os.close(fd)\n"
    ),
    "open in a thread alone": (
        "import ctypes, threading\n"
        "def alone():\n"
        "    ctypes.CDLL(None).unshare(0x400)\n"
        "    fds = [taken(n) for n in range(6)]\n"
        "    time.sleep(60)\n"
        "threading.Thread(target=alone).start()\n"
    ),
}


@pytest.mark.parametrize("way", DISK)
def test_files_that_were_removed_take_disk_while_they_are_held(run: Run, way: str) -> None:
    taken = (
        "def taken(n):\n"
        "    fd = os.open(f'u{n}', os.O_RDWR | os.O_CREAT)\n"
        "    os.unlink(f'u{n}')\n"
        "    os.write(fd, b'x' * (10 << 20))\n"
        "    os.fsync(fd)\n"
        "    return fd\n"
    )
    assert run(taken + DISK[way] + "time.sleep(60)", disk=40 * MIB, memory=256 * MIB).killed_by == KilledBy.DISK


def test_addresses_that_are_only_reserved_count_for_nothing(run: Run) -> None:
    """Java, WebAssembly and Go reserve them by the gigabyte."""
    reserve = (
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.mmap.restype = ctypes.c_void_p\n"
        "print(libc.mmap(None, ctypes.c_size_t(64 << 30), 0, 0x4022, -1, ctypes.c_long(0)) != 2**64 - 1)\n"
        "try:\n    bytearray(500 << 20)\nexcept MemoryError:\n    print('no more')\n"
    )
    assert run(reserve).output == "True\nno more\n"


def test_no_control_group_is_left(run: Run) -> None:
    run("print(1)")
    mine = f"{os.getpid()}-"
    left = [name for place in ROOT.glob(f"**/{PARENT}") for name in os.listdir(place) if name.startswith(mine)]
    assert left == []
