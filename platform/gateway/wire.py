"""One model call over the OpenAI protocol: streamed, cancellable, retried only before the first token. No Django."""

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import stamina

TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
MAX_RETRY_AFTER_SECONDS = 20.0
CONNECT_SECONDS = 10.0


class CallFailed(Exception):
    """The provider did not answer. `retryable` says whether another deployment or a later time may help."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Request:
    """One chat completion. `messages` and `tools` are in the OpenAI form; `schema` constrains the answer."""

    messages: list[dict[str, Any]]
    max_tokens: int
    tools: list[dict[str, Any]] = field(default_factory=list)
    schema: dict[str, Any] | None = None
    schema_name: str = "answer"
    temperature: float = 0.0
    seed: int | None = 7

    def prompt_bound(self) -> int:
        """An upper bound of the prompt's tokens: no tokenizer makes more tokens than bytes, plus the template's own."""
        parts = json.dumps([self.messages, self.tools, self.schema], ensure_ascii=False)
        return len(parts.encode()) + 16 * len(self.messages) + 64


@dataclass(slots=True)
class Answer:
    """What came back. `usage` is (in, out, cached) tokens as the provider counted them, or None; `cut` is why it ended early."""

    text: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str = ""
    usage: tuple[int, int, int] | None = None
    cut: str = ""

    def estimated(self, request: Request) -> tuple[int, int, int]:
        """Tokens by size where the provider reported none: three bytes a token, rounded up."""
        said = len(self.text.encode()) + sum(len(json.dumps(call).encode()) for call in self.tool_calls)
        prompt = len(json.dumps(request.messages, ensure_ascii=False).encode())
        return math.ceil(prompt / 3), math.ceil(said / 3), 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call."""

    base_url: str
    model: str
    api_key: str
    timeout_s: float


OnDelta = Callable[[str], None]


def call(
    endpoint: Endpoint,
    request: Request,
    *,
    cancel: threading.Event | None = None,
    deadline_s: float,
    on_delta: OnDelta | None = None,
) -> Answer:
    """Ask `endpoint`. An answer that was cut (cancelled, past its deadline, connection lost half-way) is returned as such.

    Raises `CallFailed` when nothing came back at all.
    """
    answer = Answer()
    timeout = httpx.Timeout(endpoint.timeout_s, connect=CONNECT_SECONDS)
    with openai.OpenAI(
        base_url=endpoint.base_url, api_key=endpoint.api_key or "none", max_retries=0, timeout=timeout
    ) as client:
        try:
            for attempt in stamina.retry_context(on=_backoff, attempts=4, timeout=45.0, wait_initial=0.2, wait_max=5.0):
                with attempt:
                    _refuse_if_cancelled(cancel)
                    stream = client.chat.completions.create(**_arguments(endpoint, request))
            with _watched(stream, cancel, deadline_s, answer):
                _read(stream, answer, on_delta)
        except _Cancelled:
            answer.cut = "cancelled"
        except openai.APIStatusError as error:
            raise CallFailed(_say(error), retryable=error.status_code in TRANSIENT_STATUS) from error
        except (openai.APIError, httpx.HTTPError, httpx.StreamError, ValueError) as error:
            if not answer.cut and not _began(answer):
                raise CallFailed(f"the model server did not answer: {error}", retryable=True) from error
            answer.cut = answer.cut or f"the connection broke: {error}"
    if not _began(answer) and not answer.cut:
        raise CallFailed("the model server answered with something that is no completion", retryable=True)
    return answer


class _Cancelled(Exception):
    """Nothing was sent."""


def _refuse_if_cancelled(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise _Cancelled


def _began(answer: Answer) -> bool:
    return bool(answer.text or answer.tool_calls or answer.finish_reason)


def _arguments(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": endpoint.model,
        "messages": request.messages,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.seed is not None:
        arguments["seed"] = request.seed
    if request.tools:
        arguments["tools"] = [{"type": "function", "function": tool} for tool in request.tools]
    if request.schema is not None:
        named = {"name": request.schema_name, "schema": request.schema, "strict": True}
        arguments["response_format"] = {"type": "json_schema", "json_schema": named}
    return arguments


def _backoff(error: Exception) -> bool | float:
    """Stamina's question after a failure: try again, and after how many seconds."""
    if isinstance(error, openai.APIStatusError):
        if error.status_code not in TRANSIENT_STATUS:
            return False
        asked = error.response.headers.get("Retry-After", "")
        return min(float(asked), MAX_RETRY_AFTER_SECONDS) if asked.replace(".", "", 1).isdigit() else True
    return isinstance(error, openai.APIConnectionError)


@contextmanager
def _watched(
    stream: openai.Stream[Any], cancel: threading.Event | None, deadline_s: float, answer: Answer
) -> Iterator[None]:
    """Close the connection when `cancel` is set or the deadline passes, whatever the reader waits for."""
    finished = threading.Event()
    ended = cancel or threading.Event()

    def watch() -> None:
        waited = 0.0
        while not finished.wait(0.05):
            waited += 0.05
            if ended.is_set() or waited >= deadline_s:
                answer.cut = "cancelled" if ended.is_set() else "its time was up"
                stream.response.close()
                return

    watcher = threading.Thread(target=watch, daemon=True, name="model-call-watch")
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
        stream.close()


def _read(stream: openai.Stream[Any], answer: Answer, on_delta: OnDelta | None) -> None:
    for chunk in stream:
        if chunk.usage is not None:
            cached = getattr(chunk.usage.prompt_tokens_details, "cached_tokens", 0) or 0
            answer.usage = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens, cached)
        for choice in chunk.choices:
            answer.finish_reason = choice.finish_reason or answer.finish_reason
            if choice.delta.content:
                answer.text += choice.delta.content
                if on_delta is not None:
                    on_delta(choice.delta.content)
            for piece in choice.delta.tool_calls or ():
                _add_piece(answer.tool_calls, piece)


def _add_piece(calls: list[dict[str, Any]], piece: Any) -> None:
    while len(calls) <= piece.index:
        calls.append({"id": "", "name": "", "arguments": ""})
    call_ = calls[piece.index]
    call_["id"] = piece.id or call_["id"]
    if piece.function is not None:
        call_["name"] += piece.function.name or ""
        call_["arguments"] += piece.function.arguments or ""


def _say(error: openai.APIStatusError) -> str:
    return f"the model server answered {error.status_code}: {error.message[:300]}"
