"""One model call over the OpenAI protocol: streamed, cancellable, retried only before the first token. No Django."""

import asyncio
import logging
import queue
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx2
import stamina

from gateway.bounding import bounding
from gateway.chat import CANCELLED, Answer, Request
from gateway.chunks import Reader
from gateway.turns import in_turns
from guildhall.kernel.texts import storable

if TYPE_CHECKING:
    # Imported where a call is made: it takes a fourth of a process's start, and few processes call models.
    import openai

logger = logging.getLogger(__name__)
TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
OF_THE_REQUEST = frozenset({400, 413, 422})
"""Answers about what was asked. The others are about the server or its account, and may be other ones later."""
MAX_RETRY_AFTER_SECONDS = 20.0
CONNECT_SECONDS = 10.0
LOOK_SECONDS = 0.1
OUT_OF_TIME = "its time was up"


class CallFailed(Exception):
    """The provider did not answer. `retryable` says whether the same question may be answered later.

    `unreachable`: there is no connection to it, so that whatever else is asked there now is not answered either.
    """

    def __init__(self, message: str, *, retryable: bool, unreachable: bool = False) -> None:
        super().__init__(storable(message))
        self.retryable, self.unreachable = retryable, unreachable


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call. `call_id` names the call to the provider, whose own usage can be asked for by it.

    `cache_salt` is for engines that take one: a prompt is found in their cache only where the same one came with it.
    """

    base_url: str
    model: str
    api_key: str
    timeout_s: float
    logprobs: bool = False
    call_id: str = ""
    cache_salt: str = ""


OnDelta = Callable[[str], None]


def call(
    endpoint: Endpoint,
    request: Request,
    *,
    cancel: threading.Event | None = None,
    deadline_s: float,
    on_delta: OnDelta | None = None,
    on_progress: "Callable[[Answer], None] | None" = None,
    on_look: Callable[[], None] | None = None,
) -> Answer:
    """Ask `endpoint`. An answer that was cut (cancelled, past its deadline, connection lost half-way) is returned as such.

    The exchange has an event loop in a thread of its own, so that it can be cut at any moment, also while the server is
    silent; `on_delta` hears each piece of text in the caller's thread, `on_progress` sees the answer so far after any piece.
    `on_look` is called several times a second as long as it goes on, in that other thread, and raises nothing.
    Raises `CallFailed` when nothing came back at all.
    """
    answer = Answer()
    if cancel is not None and cancel.is_set():
        return Answer(cut=CANCELLED, usage=(0, 0, 0))
    said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    abandoned = threading.Event()

    def cut() -> str:
        if on_look is not None:
            on_look()
        return CANCELLED if abandoned.is_set() or (cancel is not None and cancel.is_set()) else ""

    with ThreadPoolExecutor(1, thread_name_prefix="model-call") as pool:
        exchange = pool.submit(asyncio.run, _exchange(endpoint, request, answer, said, cut, deadline_s))
        exchange.add_done_callback(lambda _: said.put(None))
        while (piece := said.get()) is not None:
            if answer.listener_error is not None:
                continue
            try:
                if on_progress is not None:
                    on_progress(answer)
                if on_delta is not None and piece:
                    on_delta(piece)
            except Exception as error:
                # The call is stopped and still has to be charged; the caller raises this afterwards.
                answer.listener_error = error
                abandoned.set()
    exchange.result()
    return answer


async def _exchange(
    endpoint: Endpoint,
    request: Request,
    answer: Answer,
    said: "queue.SimpleQueue[str | None]",
    cut: Callable[[], str],
    deadline_s: float,
) -> None:
    """Fill `answer` until it ends, `cut` says why to stop, or the deadline passes."""
    import openai

    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_s
    asking = asyncio.create_task(_ask(endpoint, request, answer, said))

    def look() -> None:
        if asking.done() or answer.cut:
            return
        # First of all: whatever a look meets, the next one comes.
        loop.call_later(LOOK_SECONDS, look)
        answer.cut = cut() or (OUT_OF_TIME if loop.time() >= deadline else "")
        if answer.cut:
            asking.cancel()

    # A timer alone: a task that waits anew at each look takes more processor time than what it watches over.
    loop.call_later(LOOK_SECONDS, look)
    await asyncio.wait({asking})
    error = None if asking.cancelled() else asking.exception()
    if answer.cut:
        return
    if isinstance(error, openai.APIStatusError):
        raise CallFailed(_say(error), retryable=error.status_code not in OF_THE_REQUEST) from error
    if error is not None and not isinstance(error, openai.APIError | httpx2.HTTPError | ValueError):
        # Whatever an engine sends, it is the call that fails and is charged for what came, not the work it was for.
        logger.error("an answer could not be read", exc_info=error)
    if not _began(answer):
        problem = error or "its answer is no completion"
        # The client's own error is of one kind for all of a connection's troubles.
        unreachable = error is not None and isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)
        raise CallFailed(
            f"the model server did not answer: {problem}", retryable=True, unreachable=unreachable
        ) from error
    if error is not None or not answer.finish_reason:
        answer.cut = storable(f"the connection broke: {error or 'the answer has no end'}")


async def _ask(endpoint: Endpoint, request: Request, answer: Answer, said: "queue.SimpleQueue[str | None]") -> None:
    import openai

    timeout = openai.Timeout(endpoint.timeout_s, connect=CONNECT_SECONDS)
    async with openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key or "none",
        max_retries=0,
        timeout=timeout,
        http_client=openai.DefaultAsyncHttpxClient(
            verify=_trust(), timeout=timeout, event_hooks={"response": [bounding(request.max_tokens)]}
        ),
    ) as client:
        retries = stamina.retry_context(on=_backoff, attempts=4, timeout=45.0, wait_initial=0.2, wait_max=5.0)
        async for attempt in retries:
            with attempt:
                # Pieces are data and read as such: the client's own types would be made of each, for a third of its time.
                stream = await client.post(
                    "/chat/completions",
                    cast_to=object,
                    body=_arguments(endpoint, request),
                    options={"headers": _headers(endpoint.call_id)},
                    stream=True,
                    stream_cls=openai.AsyncStream[object],
                )
        reader = Reader(request, answer)
        async with stream:
            async for chunk in stream:
                for piece in reader.read(chunk):
                    said.put(piece)


@cache
def _trust() -> ssl.SSLContext:
    """Whom servers have to be certified by, read once a process: a client that reads it itself takes 20 ms for that."""
    return httpx2.create_ssl_context()


def _headers(call_id: str) -> dict[str, str]:
    named = {"X-Request-Id": call_id, "X-Client-Request-Id": call_id} if call_id else {}
    return {"Accept-Encoding": "identity", **named}


def _began(answer: Answer) -> bool:
    return bool(answer.text or answer.tool_calls or answer.finish_reason)


def _arguments(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": endpoint.model,
        "messages": in_turns(request.messages),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.seed is not None:
        arguments["seed"] = request.seed
    if endpoint.cache_salt:
        arguments["cache_salt"] = endpoint.cache_salt
    if endpoint.logprobs:
        arguments["logprobs"] = True
    if request.tools:
        arguments["tools"] = [{"type": "function", "function": tool} for tool in request.tools]
    if request.schema is not None:
        named = {"name": request.schema_name, "schema": request.schema, "strict": True}
        arguments["response_format"] = {"type": "json_schema", "json_schema": named}
    return arguments


def _backoff(error: Exception) -> bool | float:
    """Stamina's question after a failure: try again, and after how many seconds."""
    import openai

    if isinstance(error, openai.APIStatusError):
        if error.status_code not in TRANSIENT_STATUS:
            return False
        asked = error.response.headers.get("Retry-After", "")
        return min(float(asked), MAX_RETRY_AFTER_SECONDS) if asked.replace(".", "", 1).isdigit() else True
    # Who said nothing for all of its time is not waited for once more.
    return isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)


def _say(error: "openai.APIStatusError") -> str:
    return f"the model server answered {error.status_code}: {error.message[:300]}"
