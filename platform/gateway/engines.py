"""How busy each engine is: read from its own metrics by a job every few seconds, kept in Redis for a short while.

vLLM and llama.cpp tell Prometheus counts at `/metrics` beside `/v1`. A server that tells none is asked for its list of models
alone: it is healthy when it answers, and its load is unknown. So is the load of one whose figures cannot be read, which serves
calls all the same. Nothing here decides about money; without Redis nothing is known.
"""

import json
import logging
import time
from collections.abc import Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, cast

import httpx
import redis
from django.conf import settings

from gateway.credentials import key_of
from gateway.models import Deployment
from gateway.places import places

logger = logging.getLogger(__name__)
KEPT = "guildhall:engines"
FRESH_SECONDS = 20.0
"""After this long a figure says nothing any more."""
ASK_SECONDS = 3.0
LONGEST_TEXT = 2 * 1024**2
AT_ONCE = 16
NAMES = {
    "running": ("vllm:num_requests_running", "llamacpp:requests_processing"),
    "waiting": ("vllm:num_requests_waiting", "llamacpp:requests_deferred"),
    "cache_use": ("vllm:kv_cache_usage_perc", "llamacpp:kv_cache_usage_ratio"),
    "written": ("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total"),
}
"""What we call a figure, and what the engines call it."""


@dataclass(frozen=True, slots=True)
class Load:
    """One engine at one moment. `cache_use` is a share of 1, `written` tokens since its start, `at` Unix seconds.

    `problem` is why it is not healthy, or why nothing is known of its load. None is what the engine does not tell. `waiting`
    is there and, where it has places, in our own line for one.
    """

    healthy: bool
    at: float
    problem: str = ""
    running: float | None = None
    waiting: float | None = None
    cache_use: float | None = None
    written: float | None = None
    tokens_per_s: float | None = None

    @property
    def queue(self) -> float:
        """Calls that it works at or that wait there; 0 where it does not tell."""
        return (self.running or 0.0) + (self.waiting or 0.0)


def read_metrics(text: str) -> dict[str, float]:
    """Our figures in an engine's Prometheus text, each summed over what the engine runs inside; absent where untold."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        name, _, rest = line.partition("{") if "{" in line else line.partition(" ")
        figure = next((ours for ours, theirs in NAMES.items() if name in theirs), None)
        if figure is None:
            continue
        try:
            value = float((rest.rpartition("}")[2] or rest).split()[0])
        except (IndexError, ValueError):
            continue
        if value == value:  # an engine that has done nothing yet may say NaN
            sums[figure] = sums.get(figure, 0.0) + value
    return sums


def look_at_engines() -> dict[str, Load]:
    """Ask every active deployment's engine, all at once, and keep what they say. In the platform's scope."""
    rows = list(Deployment.objects.filter(active=True))
    before = kept_loads()
    keys = {row.name: key_of(row, "looks at how it is") for row in rows}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {row.name: pool.submit(_look, row, keys[row.name]) for row in rows}
    in_line = places().waiting(row.base_url for row in rows if row.slots)
    found = {
        row.name: _with_line(_with_rate(asked[row.name].result(), before.get(row.name)), in_line.get(row.base_url, 0))
        for row in rows
    }
    _keep(found)
    return found


def kept_loads() -> dict[str, Load]:
    """What was last found, by deployment; without what is older than `FRESH_SECONDS`. Empty where Redis is away."""
    try:
        told = cast("Mapping[bytes, bytes]", shared_redis().hgetall(KEPT))
    except (redis.RedisError, OSError):
        return {}
    now = time.time()
    loads = {name.decode(): Load(**json.loads(value)) for name, value in told.items()}
    return {name: load for name, load in loads.items() if now - load.at <= FRESH_SECONDS}


def _look(deployment: Deployment, key: str) -> Load:
    root = deployment.base_url.rstrip("/")
    head = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(headers=head, timeout=ASK_SECONDS, trust_env=False) as client:
        try:
            _read(client, f"{root}/models").raise_for_status()
        except httpx.HTTPStatusError as refusal:
            return Load(False, time.time(), f"it answers {refusal.response.status_code}")
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            return Load(False, time.time(), f"it does not answer: {type(problem).__name__}")
        try:
            told = _read(client, f"{root.removesuffix('/v1')}/metrics")
        except httpx.HTTPError as problem:
            return Load(True, time.time(), f"its figures cannot be read: {type(problem).__name__}")
    counts: dict[str, Any] = read_metrics(told.text) if told.status_code == 200 else {}
    return Load(True, time.time(), **counts)


def _read(client: httpx.Client, url: str) -> httpx.Response:
    """An answer up to `LONGEST_TEXT`, unpacked. Raises ReadTimeout for one that takes longer, however steadily it drips."""
    until, body = time.monotonic() + ASK_SECONDS, bytearray()
    with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
        for piece in answer.iter_raw():
            body += piece[: LONGEST_TEXT - len(body)]
            if time.monotonic() > until:
                raise httpx.ReadTimeout(f"it took longer than {ASK_SECONDS:.0f} s", request=answer.request)
            if len(body) == LONGEST_TEXT:
                break
        return httpx.Response(answer.status_code, content=bytes(body), request=answer.request)


def _with_rate(now: Load, before: Load | None) -> Load:
    """With the tokens a second since the look before; none after a restart of the engine, whose count begins anew."""
    if before is None or before.written is None or now.written is None or now.at <= before.at:
        return now
    if now.written < before.written:
        return now
    return replace(now, tokens_per_s=(now.written - before.written) / (now.at - before.at))


def _with_line(now: Load, in_line: int) -> Load:
    """With the calls that wait here until it has a place for them: they never reach its own queue."""
    return replace(now, waiting=(now.waiting or 0.0) + in_line) if in_line else now


def _keep(found: Mapping[str, Load]) -> None:
    values = {name: json.dumps(asdict(load)) for name, load in found.items()}
    try:
        with shared_redis().pipeline() as step:
            step.delete(KEPT)
            if values:
                step.hset(KEPT, mapping=cast("Any", values))
                step.expire(KEPT, int(FRESH_SECONDS) * 2)
            step.execute()
    except (redis.RedisError, OSError):
        logger.warning("what engines said of their load is not kept", exc_info=True)


@cache
def shared_redis() -> redis.Redis:
    """Where figures are kept; whoever asks it waits for a moment at most."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.3, socket_connect_timeout=0.3)


def in_order_of_load(
    ranked: Iterable[tuple[str, str]], loads: Mapping[str, Load], begun: Mapping[str, int], unwell: Container[str] = ()
) -> list[str]:
    """Deployments of a route, given as (name, model) by rank, in the order in which a call tries them.

    The ranks are the owner's: another model is taken only after the first has failed. But deployments of one model are the
    same to a call, so among these the one with the shortest queue comes first, with what we have `begun` there since it was
    last looked at. Those that are `unwell` come last of all.
    """
    rows = list(ranked)
    models = list(dict.fromkeys(model for _, model in rows))

    def place(row: tuple[int, tuple[str, str]]) -> tuple[bool, int, float, int]:
        rank, (name, model) = row
        load = loads.get(name)
        queue = (load.queue if load else 0.0) + begun.get(name, 0)
        return (name in unwell, models.index(model), queue, rank)

    return [name for _, (name, _) in sorted(enumerate(rows), key=place)]
