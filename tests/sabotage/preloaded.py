"""One process that has loaded what no sabotage touches, and becomes pytest: `python -P tests/sabotage/preloaded.py`.

Loading Django and its kin is most of a short test's start. It reads a request a line, `{"arguments", "environment", "log",
"seconds"}`, runs `pytest *arguments` in a fork that writes to `log`, and answers with how that ended, or with `late`.
Nothing of ours is loaded here: a fork finds it where PYTHONPATH leads, as the sabotage has left it.
"""

import json
import os
import select
import signal
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Any

LOADED = (
    "celery.fixups.django",
    "celery.loaders.app",
    "cryptography.hazmat.primitives.ciphers.aead",
    "django.core.asgi",
    "django.middleware.security",
    "jsonschema",
    "jwt",
    "markdown_it",
    "openai",
    "psutil",
    "psycopg_pool",
    "pydantic_settings",
    "pytest",
    "redis",
    "stamina",
)
"""What takes long to load, by the modules that bring most of it; none of them asks for Django's settings."""
OURS = ("guildhall", "gateway", "tenants", "governance", "workflows", "gpu_workers", "tests")


def main() -> None:
    """Serve until the input ends."""
    for name in LOADED:
        import_module(name)
    assert not {name.partition(".")[0] for name in sys.modules} & set(OURS), "it would be loaded before it is sabotaged"
    assert len(os.listdir("/proc/self/task")) == 1, "what has threads cannot be forked"
    print("ready", flush=True)
    for line in sys.stdin:
        print(_ended(json.loads(line)), flush=True)


def _ended(request: dict[str, Any]) -> str:
    pid = os.fork()
    if pid == 0:
        _become(request)
    over = os.pidfd_open(pid)
    try:
        late = not select.select([over], [], [], request["seconds"])[0]
    finally:
        os.close(over)
    if late:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return "late" if late else str(os.waitstatus_to_exitcode(status))


def _become(request: dict[str, Any]) -> None:
    """Never returns."""
    code = 1
    try:
        os.setsid()
        log = os.open(request["log"], os.O_WRONLY | os.O_TRUNC | os.O_CREAT, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, descriptor)
        os.environ.update(request["environment"])
        sys.argv = ["pytest", *request["arguments"]]
        code = int(import_module("pytest").main(request["arguments"]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
