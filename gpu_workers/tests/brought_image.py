"""An image that an owner could have brought: python3, git and a few tools on a system of their own, made from this machine's."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

PYTHON = "/usr/bin/python3"
TOOLS = ("sh", "cat", "echo", "env", "id", "ls", "mkdir", "sleep", "touch")
LEFT_OUT = re.compile(r"/(test|idlelib|lib2to3|ensurepip|config-[^/]*|__pycache__|dist-packages|site-packages)(/|$)")


def make_image(folder: Path, name: str) -> Path:
    """Put the image into a store below `folder`; the store."""
    archive, store = folder / "image.tar", folder / "store"
    with tarfile.open(archive, "w") as tar:
        _fill(tar)
    changes = [
        "--change",
        "ENV=PATH=/tools/bin:/usr/bin:/bin",
        "--change",
        "ENV=BROUGHT=yes",
        "--change",
        "VOLUME=/data",
    ]
    # podman takes no runroot of more than 50 characters, and tests' folders are deep.
    with TemporaryDirectory(prefix="run-", dir="/tmp") as run:
        words = [
            "podman",
            "--root",
            str(store),
            "--runroot",
            run,
            "--tmpdir",
            f"{run}/own",
            "--storage-driver",
            "overlay",
        ]
        subprocess.run([*words, "import", "--quiet", *changes, str(archive), name], check=True)
    archive.unlink()
    return store


def _fill(tar: tarfile.TarFile) -> None:
    library = subprocess.run(
        [PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    programs = {PYTHON: PYTHON, "/usr/bin/git": _found("git"), "/bin/busybox": _found("busybox")}
    for target, place in programs.items():
        tar.add(Path(place).resolve(), target)
    tar.add(library, library, filter=lambda entry: None if LEFT_OUT.search(f"/{entry.name}") else entry)
    for place in _needed([*programs.values(), *map(str, Path(library, "lib-dynload").glob("_ctypes.*"))]):
        tar.add(Path(place).resolve(), place)
    for tool in TOOLS:
        link = tarfile.TarInfo(f"bin/{tool}")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(link)
    mark = tarfile.TarInfo("brought")
    mark.size = len(text := b"by the owner\n")
    tar.addfile(mark, io.BytesIO(text))


def _found(program: str) -> str:
    place = shutil.which(program)
    assert place is not None, f"the gate installs {program}"
    return place


def _needed(programs: list[str]) -> set[str]:
    said = subprocess.run(["ldd", *programs], check=False, capture_output=True, text=True).stdout
    return set(re.findall(r"(/\S+) \(0x", said))
