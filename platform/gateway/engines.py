"""How busy each engine is: read from its own metrics by a job every few seconds, kept in Redis for a short while.

vLLM and llama.cpp tell Prometheus counts at `/metrics` beside `/v1`. A server that tells none is asked for its list of models
alone: it is healthy when it answers, and its load is unknown. So is the load of one whose figures cannot be read, which serves
calls all the same. Nothing here decides about money; without Redis nothing is known.
"""

import json
import logging
import math
import time
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from statistics import fmean
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
SHARES = frozenset({"cache_use"})
PLACED_BY = ("running", "waiting", "cache_use", "speed")
"""What decides where a call goes."""


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
    def speed(self) -> float | None:
        """Tokens a second of one that is at work: of one that has nothing to do they say nothing."""
        return self.tokens_per_s if self.running else None


def read_metrics(text: str) -> dict[str, float]:
    """Our figures in an engine's Prometheus text, absent where untold: of all that it runs inside the sum, of shares the mean."""
    told: defaultdict[str, list[float]] = defaultdict(list)
    for line in text.splitlines():
        name, _, rest = line.partition("{") if "{" in line else line.partition(" ")
        figure = next((ours for ours, theirs in NAMES.items() if name in theirs), None)
        if figure is None:
            continue
        try:
            value = float((rest.rpartition("}")[2] or rest).split()[0])
        except (IndexError, ValueError):
            continue
        if math.isfinite(value):  # an engine that has done nothing yet may say NaN
            told[figure].append(value)
    return {figure: fmean(values) if figure in SHARES else sum(values) for figure, values in told.items()}


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
    same to a call, so among these the one with the shortest queue comes first: what it works at, what waits, and what we have
    `begun` there since it was last looked at. Of equal queues the one comes first where fewer wait, then the one with more
    room in its cache, by tenths, since one without takes back what it works at; then the one that writes more tokens a
    second; then the owner's rank. Those that are `unwell` come last of all.
    """
    rows = list(ranked)
    models = list(dict.fromkeys(model for _, model in rows))
    usual = {
        model: _usual(loads[name] for name, its in rows if its == model and name in loads and name not in unwell)
        for model in models
    }

    def place(row: tuple[int, tuple[str, str]]) -> tuple[bool, int, float, float, float, float, int]:
        rank, (name, model) = row
        told = _told(loads[name]) if name in loads else {}
        running, waiting, cache_use, speed = ({**usual[model], **told}[figure] for figure in PLACED_BY)
        queue = running + waiting + begun.get(name, 0)
        return (name in unwell, models.index(model), queue, waiting, round(cache_use, 1), -speed, rank)

    return [name for _, (name, _) in sorted(enumerate(rows), key=place)]


def _told(load: Load) -> dict[str, float]:
    """What calls are placed by, as far as the engine tells it."""
    return {figure: value for figure in PLACED_BY if (value := getattr(load, figure)) is not None}


def _usual(loads: Iterable[Load]) -> dict[str, float]:
    """What is taken for true of an engine that does not tell: the mean of those that do, so that silence wins nothing."""
    some = [_told(load) for load in loads]
    values = {figure: [told[figure] for told in some if figure in told] for figure in PLACED_BY}
    return {figure: fmean(found) if found else 0.0 for figure, found in values.items()}
