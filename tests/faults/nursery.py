"""One process that has imported the application and becomes others: `python -m tests.faults.nursery`.

Importing it takes seconds of processor time, which every worker that is killed would pay again. It reads a request a line:
`{"module", "arguments", "log", "environment"}` is answered with the process id of a fork that runs the module, `{"wait": id}`
with how it ended, `{"look": id}` with the same, or nothing while it runs. The forks die with it, and it ends with its input.
"""

import json
import os
import runpy
import signal
import sys
from typing import Any

from guildhall.embedded import guard
from guildhall.kernel.loading import collector_at_rest

with collector_at_rest():
    import tests.faults.scene  # noqa: F401  it brings all that the others need


def main() -> None:
    """Serve until the input ends."""
    assert len(os.listdir("/proc/self/task")) == 1, "what has threads cannot be forked; it has no connection yet either"
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(_answer(request), flush=True)


def _answer(request: dict[str, Any]) -> str:
    if "module" in request:
        return str(_begun(request))
    pid, status = os.waitpid(request.get("wait") or request["look"], 0 if "wait" in request else os.WNOHANG)
    return str(os.waitstatus_to_exitcode(status)) if pid else ""


def _begun(request: dict[str, Any]) -> int:
    parent = os.getpid()
    if pid := os.fork():
        return pid
    code: Any = 1
    try:
        guard.die_with(parent, signal.SIGKILL)
        _become(request)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _become(request: dict[str, Any]) -> None:
    os.setsid()
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, descriptor)
    os.environ.update(request["environment"])
    sys.argv = [request["module"], *request["arguments"]]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
