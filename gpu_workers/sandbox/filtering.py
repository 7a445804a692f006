"""The filter on system calls for containers: the engine's own, less what makes namespaces, mounts in them and keeps keys.

The engine's lets containers make containers, by way of much of the kernel that was written for root alone. Keys are kept for
a user, who is the same in all containers.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from gpu_workers.sandbox.command import SandboxUnavailable

PLACES = (Path("/etc/containers/seccomp.json"), Path("/usr/share/containers/seccomp.json"))
DENIED = frozenset(
    {
        "add_key", "clone", "clone3", "fsconfig", "fsmount", "fsopen", "fspick", "keyctl", "mount", "mount_setattr",
        "move_mount", "open_tree", "pivot_root", "request_key", "setns", "umount", "umount2", "unshare",
    }
)  # fmt: skip
NAMESPACES = 0x7E020000
"""The flags by which `clone` makes namespaces; those of `clone3` lie in memory, where a filter cannot read."""
NO_SUCH_CALL = 38
PLAIN_CLONE = {
    "names": ["clone"],
    "action": "SCMP_ACT_ALLOW",
    "args": [{"index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
}
OLD_CLONE = {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": NO_SUCH_CALL}
"""Programs that are told so make do with `clone`."""


@cache
def call_filter(places: tuple[Path, ...] = PLACES) -> str:
    """The filter as the engine reads it. Raises SandboxUnavailable where the engine has none that begins with nothing."""
    place = next((place for place in places if place.is_file()), None)
    if place is None:
        raise SandboxUnavailable(f"podman has no filter on system calls here: {places[-1]} is missing.")
    told: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    if told.get("defaultAction") != "SCMP_ACT_ERRNO":
        raise SandboxUnavailable(f"The filter on system calls in {place} allows what it does not name.")
    rules = [{**rule, "names": [name for name in rule["names"] if name not in DENIED]} for rule in told["syscalls"]]
    told["syscalls"] = [*(rule for rule in rules if rule["names"]), PLAIN_CLONE, OLD_CLONE]
    return json.dumps(told, separators=(",", ":"))
