"""Workers that end when there is nothing to do, and what has them started again. No Django: the supervisor has none.

A worker goes to sleep by itself, as it alone knows what it has in hand. First it takes nothing more; at the next look, if it
still has nothing, it ends with the status `ASLEEP`. What is sent from the first moment on stays in its queue, where whoever
started it looks (`Watch`). Either may be killed meanwhile: a message is in Redis and the work is a row.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

KEPT = "guildhall:fleet"
"""Where workers say how they are."""
ASLEEP = 75
"""A worker's exit status when it has gone to sleep."""
PATIENCE_SECONDS = 0.5


@dataclass(slots=True)
class Rest:
    """When a worker that is asked about once a second goes to sleep: after `after_s` without work; 0: never."""

    after_s: float
    going: bool = False
    """It is to take nothing from now on."""
    _since: float | None = None

    def over(self, now: float, *, busy: bool) -> bool:
        """Whether it is to end now. `now` is any clock in seconds; `busy`: it has something in hand, or is to stay."""
        if busy or not self.after_s:
            self._since, self.going = None, False
            return False
        if self.going:
            return True
        if self._since is None:
            self._since = now
        self.going = now - self._since >= self.after_s
        return False


class Watch:
    """Looks after `worker` (as it calls itself) while it is asleep; `queues` are those that it takes from."""

    def __init__(self, url: str, worker: str, queues: Sequence[str]) -> None:
        self._worker, self._queues = worker, tuple(queues)
        self._row: dict[str, Any] | None = None
        self._redis = redis.Redis.from_url(
            url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, retry=Retry(NoBackoff(), 0)
        )
        self._lock = threading.Lock()

    def wanted(self) -> bool:
        """Whether a message waits for it. Not while Redis gives no answer: nothing could be taken then."""
        with self._lock:
            try:
                return self._look()
            except (redis.RedisError, OSError):
                return False

    def _look(self) -> bool:
        with self._redis.pipeline(transaction=False) as step:
            step.time()
            step.hget(KEPT, self._worker)
            for queue in self._queues:
                step.llen(queue)
            (seconds, micro), told, *depths = step.execute()
        if any(depths):
            self._row = None
            return True
        said = json.loads(told) if told else {}
        self._row = said if said.get("asleep") else self._row
        if self._row is not None:
            # On its behalf: a sleeper of whom nothing is heard has nobody left to wake it.
            self._redis.hset(KEPT, self._worker, json.dumps({**self._row, "at": seconds + micro / 1e6}))
        return False
