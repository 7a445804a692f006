"""One build: buildah in a sandbox of its own in which it is root over nothing but this build. Nothing of it stays.

Steps run without a container engine and without a namespace of their own: the wall around them is the sandbox, which holds the
recipe, a copy of the context, the bases, and the builder's store. What the builder tells is data.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from gpu_workers.confined import PathRefused, confined_read
from gpu_workers.containers.bases import BaseImages
from gpu_workers.containers.context import copy_context
from gpu_workers.containers.recipe import Recipe
from gpu_workers.sandbox import RootInside, Sandbox, SandboxCommand, SandboxLimits, SandboxResult
from gpu_workers.sandbox.host import SYSTEM_PATH
from gpu_workers.sandbox.mapping import can_map_ids
from gpu_workers.sandbox.workspace import remove_tree, room_left

FIRST_ID = 1_900_000_000
IDS = 65_536
"""A stretch of users and groups far from those of people, services and other builders; a build's files belong to it."""
PREFIX = "build-"
LEAST = 32 * 1024 * 1024
DATA = 1024**4
"""Go and Node reserve memory by the gigabyte; what is used is what is limited."""
MAX_RESULT = 256 * 1024
STEP = re.compile(r"^(?:\[\d+/\d+\] )?STEP \d+/\d+: .*$", re.MULTILINE)
CONFIGURED = {
    "policy.json": json.dumps(
        {
            "default": [{"type": "reject"}],
            "transports": {kind: {"": [{"type": "insecureAcceptAnything"}]} for kind in ("oci", "containers-storage")},
        }
    ),
    "registries.conf": "unqualified-search-registries = []\n",
    "storage.conf": (
        '[storage]\ndriver = "vfs"\ngraphroot = "/workspace/storage"\nrunroot = "/workspace/run"\n'
        '[storage.options.vfs]\nignore_chown_errors = "true"\n'
    ),
}
"""What the builder is told: no registry at all, images of layouts alone, and a store that needs no file system of its own."""


class BuildError(RuntimeError):
    """Nothing was built; the message says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to build: a recipe, the folder of `tree` that it may copy from, and a stage. `run` are words to run in the
    image, () for its own command, None for nothing, for `seconds` at most."""

    recipe: Recipe
    tree: Path
    folder: str = ""
    target: str = ""
    run: Sequence[str] | None = None
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Built:
    """What came of it. `size` is in bytes, uncompressed; `ran` is None where nothing was run, and has `status` (None where
    the time was up) or `error` else."""

    digest: str
    layers: int
    size: int
    config: dict[str, Any]
    ran: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Build:
    """`built` is None where it failed; `step` is the last one that began."""

    built: Built | None
    result: SandboxResult
    step: str


@cache
def find_builder() -> Path | None:
    """Buildah, where the sandbox shows it and this process may give a namespace the users that images have."""
    found = shutil.which("buildah", path=SYSTEM_PATH)
    return Path(found) if found and found.startswith("/usr/") and can_map_ids() else None


def machine() -> str:
    """The machine that images are for, in the words of images."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def build(
    order: Order,
    bases: BaseImages,
    sandbox: Sandbox,
    limits: SandboxLimits,
    scratch: Path,
    may_see: Callable[[str], bool],
    on_output: Callable[[bytes], None] | None = None,
    cancel: threading.Event | None = None,
) -> Build:
    """Build, below `scratch`, and leave nothing there.

    What it takes on disk, context included, is bounded as what any command adds to its workspace: by `limits.disk`, whatever
    the workspace holds by then. Raises BuildError where there is no room; ContextTooLarge, PathRefused, FileNotFoundError;
    SandboxUnavailable.
    """
    builder = find_builder()
    if builder is None:
        raise BuildError("There is no builder of images here.")
    for left in scratch.glob(f"{PREFIX}*"):
        remove_tree(left)  # of a worker that was killed over its build
    with ExitStack() as ending:
        place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=scratch))
        ending.callback(remove_tree, place)
        place.chmod(0o755)
        size = copy_context(order.tree, order.folder, place / "context", may_see, FIRST_ID)
        room = room_left(order.tree, limits) - size
        if room < LEAST:
            raise BuildError(
                f"{LEAST // 1024**2} MiB have to be free for a build: of the {limits.disk // 1024**2} MiB that a command may "
                f"add, its context takes {size // 1024**2}."
            )
        bounds = replace(limits, disk=room, data=DATA)
        work = _prepared(place, order.recipe)
        command = SandboxCommand(_words(builder, order), work, limits=bounds, root=_root(place, bases))
        result = sandbox.run(command, on_output, cancel)
        built = _built(work) if result.ok else None
    steps = STEP.findall(result.output)
    return Build(built, result, steps[-1][:300] if steps else "")


def _prepared(place: Path, recipe: Recipe) -> Path:
    for name, files_of in (("etc", CONFIGURED), ("recipe", {"Containerfile": recipe.text})):
        (place / name).mkdir(mode=0o755)
        for file, text in files_of.items():
            (place / name / file).write_text(text)
            (place / name / file).chmod(0o644)
    work = place / "work"
    for folder in (work, work / "tmp"):
        folder.mkdir(mode=0o755)
        os.chown(folder, FIRST_ID, FIRST_ID)
    return work


def _root(place: Path, bases: BaseImages) -> RootInside:
    shown = {"/etc/containers": place / "etc", "/recipe": place / "recipe", "/context": place / "context"}
    return RootInside(FIRST_ID, IDS, shown if bases.folder is None else {**shown, "/bases": bases.folder})


def _words(builder: Path, order: Order) -> list[str]:
    told = {
        "builder": str(builder),
        "bases": [[f"/bases/{base.reference}", local] for local, base in order.recipe.bases.items()],
        "target": order.target,
        "run": None if order.run is None else list(order.run),
        "seconds": order.seconds,
    }
    # Root of a namespace: buildah is to take it as it is. What it unpacks counts with its store, not with the memory.
    set_up = ["env", "TMPDIR=/workspace/tmp", "_CONTAINERS_USERNS_CONFIGURED=done", "_CONTAINERS_ROOTLESS_UID=0"]
    return [*set_up, "python3", "-c", _program(), json.dumps(told)]


@cache
def _program() -> str:
    return (files("gpu_workers.containers") / "inside.py").read_text(encoding="utf-8")


def _built(work: Path) -> Built:
    try:
        told = json.loads(confined_read(work, "result.json", MAX_RESULT))
        config, ran = told["config"], told.get("run")
        if not isinstance(config, dict) or not isinstance(ran, dict | None):
            raise TypeError
        return Built(str(told["digest"])[:100], int(told["layers"]), int(told["size"]), config, ran)
    except (PathRefused, FileNotFoundError, ValueError, KeyError, TypeError) as garbled:
        raise BuildError("The builder ended without telling what it built.") from garbled
