"""Tokens per second through the platform against the engine alone: 1, 8 and 32 calls at once, by turns in one run.

Through the platform a call is what an agent's is: it waits for one of the engine's places, is reserved against the tenant's
limits, streamed, its progress noted, charged and audited. Alone it is the same streamed request, sent over plain HTTP; where
there are more calls than places they wait in the engine's own queue. `make bench NAMES=engine ENGINE=vllm` measures vLLM.
"""

import json
import os
import statistics
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx
from django.db import connection

from bench.engines import KEY, Engine, NotInstalled, engine
from bench.figures import judge
from bench.tenants import new_tenant
from gateway.calls import ModelCall
from gateway.chat import Request
from gateway.completion import complete
from governance.actions.limits import set_limit
from governance.scopes import ScopeKind, Window
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.tenancy import tenant_scope

AT_ONCE = (1, 8, 32)
JUDGED = 32
WANTED = 0.9
TOKENS = 64
FEWEST_CALLS = 4
HEAD = f"  {'':28} {'engine tok/s':>13} {'platform tok/s':>15} {'ratio':>7}   of each turn"


def run(rounds: int) -> None:
    """Print tokens per second of both and their ratio; `rounds` is how often they take turns."""
    kind = os.environ.get("ENGINE", "embedded")
    try:
        with engine(kind) as found:
            schema = str(new_tenant().schema_name)
            actor = system_actor("bench", schema)
            with tenant_scope(schema):
                for window in (Window.HOUR, Window.DAY):
                    set_limit(actor=actor, kind=ScopeKind.TENANT, scope_id="", window=window, amount=Decimal(100_000))
            places = f"works at {found.slots} calls at once" if found.slots else "takes all calls as they come"
            print(
                f"\nengine: {found.name}, {found.model}, {places}; answers of {TOKENS} tokens, {os.cpu_count()} cores\n{HEAD}"
            )
            for at_once in AT_ONCE:
                _compare(found, schema, actor, at_once, rounds)
    except NotInstalled as missing:
        print(f"engine\n  {missing}\n")


def _compare(found: Engine, schema: str, actor: Actor, at_once: int, rounds: int) -> None:
    calls = max(at_once, FEWEST_CALLS)

    def through_the_platform(question: str) -> int:
        return _platform(schema, actor, question)

    def alone(question: str) -> int:
        return _alone(found, question)

    ways = (alone, through_the_platform)
    for way in ways:
        _rate(way, 1, 1)
    turns: list[tuple[float, float]] = []
    for turn in range(rounds):
        # Who goes first changes, so that a machine that gets slower favours neither.
        rates = {way: _rate(way, at_once, calls) for way in (ways if turn % 2 == 0 else ways[::-1])}
        turns.append((rates[alone], rates[through_the_platform]))
    raw, ours = (statistics.median(rates) for rates in zip(*turns, strict=True))
    each = ", ".join(f"{own / peer:.2f}" for peer, own in turns)
    ratio = statistics.median(own / peer for peer, own in turns)
    print(
        f"  {f'{at_once} at once, {calls} calls a turn':28} {raw:13.1f} {ours:15.1f} {ratio:7.2f}   {each}", flush=True
    )
    if at_once == JUDGED:
        judge(f"platform / engine, tokens/s at {at_once} at once", ratio, at_least=WANTED)


def _rate(way: Callable[[str], int], at_once: int, calls: int) -> float:
    """Written tokens per second of `calls` calls, `at_once` at any time."""
    questions = [f"{uuid.uuid4().hex[:8]}: tell me about the harbour of a small town." for _ in range(calls)]
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        written = sum(pool.map(way, questions))
    return written / (time.perf_counter() - began)


def _request(question: str) -> Request:
    return Request(messages=[{"role": "user", "content": question}], max_tokens=TOKENS)


def _platform(schema: str, actor: Actor, question: str) -> int:
    call = ModelCall(route="fast", key=f"bench:{uuid.uuid4()}", owner="bench:1", request=_request(question))
    try:
        with tenant_scope(schema):
            return complete(actor=actor, model_call=call).tokens_out
    finally:
        connection.close()


_clients = threading.local()


def _alone(found: Engine, question: str) -> int:
    """The same request, streamed as well; of the answer only the engine's own count is read."""
    asked = _request(question)
    body = {
        "model": found.model,
        "messages": asked.messages,
        "max_tokens": asked.max_tokens,
        "temperature": asked.temperature,
        "seed": asked.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if not hasattr(_clients, "http"):
        # A connection for each call, as the platform has: the engine ends those that are kept, also as they are used again.
        _clients.http = httpx.Client(timeout=600, limits=httpx.Limits(max_keepalive_connections=0))
    key = KEY if found.name in ("embedded", "vllm") else os.environ.get("LLM_API_KEY", "")
    head = {"Authorization": f"Bearer {key}"}
    last = ""
    with _clients.http.stream("POST", f"{found.url}/chat/completions", json=body, headers=head) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if '"usage":{' in line.replace(" ", ""):
                last = line
    return int(json.loads(last.removeprefix("data:"))["usage"]["completion_tokens"])
