"""Run inside of the builder's sandbox: takes the bases in, builds, tells what came of it, and runs it where that is asked for.

It uses the standard library alone and is given to the interpreter as text. `argv[1]` is JSON: `builder`, `bases` (pairs of
where one lies and what it is called), `target`, `run` (words to run in the image, [] for its own, null for nothing) and
`seconds` for that.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

WORK = Path("/workspace")
BUILT = "localhost/built"
ISOLATION = ("--isolation", "chroot", "--network", "host", "--cap-drop", "CAP_SYS_CHROOT")
"""The namespaces are there already: `host` is a network in which there is nobody."""
LIMITED = (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))


def limits() -> list[str]:
    """Steps have the limits that are set here: the builder would set its own, which are higher, and may not."""
    most = {name: resource.getrlimit(kind)[1] for name, kind in LIMITED}
    return [f"--ulimit={name}={value}:{value}" for name, value in most.items()]


def answer(words: list[str]) -> str:
    """What a command says. Raises CalledProcessError."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def end_all_others() -> None:
    """Nothing that a step left running may touch what is told of the image, or outlast it."""
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def take_in(builder: str, bases: list[list[str]]) -> None:
    for place, name in bases:
        answer([builder, "tag", answer([builder, "pull", "--quiet", f"oci:{place}"]).strip(), name])


def built(told: dict[str, Any]) -> int:
    words = [
        told["builder"],
        "build",
        *ISOLATION,
        "--pull=never",
        "--no-cache",
        "--http-proxy=false",
        "--identity-label=false",
    ]
    words += [*limits(), "--tag", BUILT, "--file", "/recipe/Containerfile"]
    words += ["--target", told["target"]] if told["target"] else []
    output = None if told["run"] is None else (WORK / "output").open("wb")
    return subprocess.call([*words, "/context"], stdout=output, stderr=subprocess.STDOUT)


def looked_at(builder: str) -> dict[str, Any]:
    found = json.loads(answer([builder, "inspect", "--type", "image", BUILT]))
    manifest, config = json.loads(found["Manifest"]), found["OCIv1"].get("config") or {}
    return {
        "digest": found["FromImageDigest"],
        "layers": len(manifest["layers"]),
        "size": manifest["config"]["size"] + sum(layer["size"] for layer in manifest["layers"]),
        "config": {name: config[name] for name in config if name != "Labels"},
    }


def ran(told: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    words = told["run"] or [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]
    if not words:
        return {"error": "the image names no command of its own"}
    box = answer([told["builder"], "from", "--pull-never", *limits(), BUILT]).strip()
    running = subprocess.Popen([told["builder"], "run", *ISOLATION, box, "--", *words], stdin=subprocess.DEVNULL)
    try:
        return {"status": running.wait(told["seconds"])}
    except subprocess.TimeoutExpired:
        return {"status": None}


def main(told: dict[str, Any]) -> None:
    take_in(told["builder"], told["bases"])
    status = built(told)
    end_all_others()
    if status:
        with suppress(FileNotFoundError):
            sys.stdout.write((WORK / "output").read_text(errors="replace"))
        sys.exit(1)
    result = looked_at(told["builder"])
    if told["run"] is not None:
        result["run"] = ran(told, result["config"])
        end_all_others()
    (WORK / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
