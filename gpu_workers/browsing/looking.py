"""One look at a page: a browser of the system in a sandbox of its own, with an empty folder and nothing of the run's files."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from gpu_workers.reach.bounds import Reach
from gpu_workers.reach.door import Door
from gpu_workers.reach.fetching import checked
from gpu_workers.sandbox import Sandbox, SandboxCommand, SandboxLimits

MIB = 1024 * 1024
PLACES = (
    "/usr/lib/chromium/chromium",
    "/usr/lib/chromium-browser/chromium-browser",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/usr/local/lib/chromium/chromium",
)
"""Where systems keep Chromium itself; what is on the path is often a script that wants more of a system than a sandbox has."""
LOAD_S = 20
LIMITS = SandboxLimits(
    cpu_s=60, wall_s=45.0, memory=1536 * MIB, data=16 * 1024**4, processes=512, open_files=2048,
    scratch=256 * MIB, output=2 * MIB,
)  # fmt: skip
"""A browser reserves memory by the terabyte and uses next to none of them: what it uses is what is limited."""


class BrowseError(RuntimeError):
    """There is no page; the message says why."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the page shows. `asked` are hosts that it reached, `refused` what it wanted and did not get, with the reasons."""

    title: str
    text: str
    links: tuple[str, ...]
    asked: tuple[str, ...]
    refused: tuple[str, ...]
    cut: bool


@cache
def find_browser() -> Path | None:
    """Chromium where the sandbox shows it; None where the system has none."""
    return next((Path(place) for place in PLACES if Path(place).is_file()), None)


def browse(
    url: str,
    reach: Reach,
    sandbox: Sandbox,
    browser: Path,
    cancel: threading.Event | None = None,
    *,
    seconds: int = LOAD_S,
) -> Page:
    """Load a page and read it; one that is not done after half of `seconds` is read as it is then.

    Raises BrowseError; FetchError, before anything runs, for an address outside of the bounds; SandboxUnavailable where
    nothing can be isolated.
    """
    checked(url, reach)
    with tempfile.TemporaryDirectory(prefix="guildhall-look-", dir=sandbox.settings.runtime) as name:
        Path(name).chmod(0o755)
        folder = sandbox.prepare_workspace(Path(name) / "empty")
        with Door(folder, reach, sandbox.owner) as door:
            told = json.dumps({"browser": str(browser), "url": url, "seconds": seconds})
            command = SandboxCommand(["python3", "-I", "-c", _program(), told], folder, limits=LIMITS)
            ended = sandbox.run(command, None, cancel)
    if not ended.ok or ended.truncated:
        raise BrowseError(f"The browser showed no page: {LIMITS.spoiled(ended) or 'it broke'}.")
    try:
        said: Mapping[str, object] = json.loads(ended.output)
        if "error" in said:
            raise BrowseError(f"The browser showed no page: {str(said['error'])[:200]}.")
        links = said["links"]
        assert isinstance(links, list)
        return Page(
            str(said["title"]), str(said["text"]), tuple(map(str, links)), tuple(door.asked),
            (*door.refused, *door.failed), bool(said["cut"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AssertionError) as garbled:
        raise BrowseError("What the browser said cannot be read.") from garbled


@cache
def _program() -> str:
    return (files("gpu_workers.browsing") / "inside.py").read_text(encoding="utf-8")
