"""GPUs of the machines that serve models: asked of `nvidia-smi` where it is, kept in Redis for a short while.

Whoever watches over an engine on such a machine keeps them: the workers there with each look at the engines, and
`manage.py serve_model` where there is no worker. Machines without the program say nothing. Nothing is decided by these
figures: which engine is on which GPU is not known.
"""

import json
import logging
import math
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import redis

from gateway.engines import FRESH_SECONDS, shared_redis

logger = logging.getLogger(__name__)
KEPT = "guildhall:gpus"
PROGRAM = "nvidia-smi"
FIELDS = ("index", "name", "utilization.gpu", "memory.used", "memory.total", "temperature.gpu", "power.draw")
ASK_SECONDS = 3.0
MIB = 1024**2
_asking = threading.Lock()


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU at one moment. `use` is a share of 1, memory in bytes, `at` Unix seconds; None is what it does not tell."""

    host: str
    index: int
    name: str
    at: float
    use: float | None = None
    memory_used: float | None = None
    memory_total: float | None = None
    celsius: float | None = None
    watts: float | None = None

    @property
    def use_percent(self) -> float | None:
        return None if self.use is None else self.use * 100

    @property
    def gib(self) -> tuple[float, float] | None:
        """Memory in use and all of it, in GiB."""
        if self.memory_used is None or self.memory_total is None:
            return None
        return self.memory_used / 1024**3, self.memory_total / 1024**3


def read_gpus() -> list[Gpu]:
    """This machine's GPUs; none where the program is missing, fails, or gives no answer in time."""
    program = shutil.which(PROGRAM)
    # A driver in trouble lets the program hang, maybe beyond being killed: no second one is started beside it.
    if program is None or not _asking.acquire(blocking=False):
        return []
    words = [program, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=ASK_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as trouble:
        logger.warning("%s says nothing: %s", PROGRAM, trouble)
        return []
    finally:
        _asking.release()
    return parse_gpus(said.stdout, socket.gethostname(), time.time())


def parse_gpus(text: str, host: str, at: float) -> list[Gpu]:
    """The program's lines; one that is none is left out, and a figure that is not told is None."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(FIELDS) or not cells[0].isdecimal():
            continue
        use, used, total, celsius, watts = map(_number, cells[2:])
        share = None if use is None else use / 100
        memory, whole = (None if one is None else one * MIB for one in (used, total))
        found.append(Gpu(host, int(cells[0]), cells[1][:80], at, share, memory, whole, celsius, watts))
    return found


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def keep_gpus() -> None:
    """Look at this machine's, and keep what they say; nothing is kept of a machine without."""
    if not (found := read_gpus()):
        return
    try:
        with shared_redis().pipeline() as step:
            step.hset(KEPT, found[0].host, json.dumps([asdict(one) for one in found]))
            step.expire(KEPT, int(FRESH_SECONDS) * 2)
            step.execute()
    except (redis.RedisError, OSError):
        logger.warning("what GPUs said is not kept: Redis is away")


def kept_gpus() -> list[Gpu]:
    """What was last said, by machine and number; without what is older than `FRESH_SECONDS`. Empty where Redis is away."""
    try:
        told = cast("Mapping[bytes, bytes]", shared_redis().hgetall(KEPT))
    except (redis.RedisError, OSError):
        return []
    rows: list[dict[str, Any]] = [row for value in told.values() for row in json.loads(value)]
    now = time.time()
    gpus = [Gpu(**row) for row in rows]
    return sorted((one for one in gpus if now - one.at <= FRESH_SECONDS), key=lambda one: (one.host, one.index))


def keep_on_keeping(stop: threading.Event, seconds: float) -> None:
    """Until `stop`, every so often; ends at once on a machine without the program."""
    while shutil.which(PROGRAM) and not stop.wait(seconds):
        keep_gpus()
