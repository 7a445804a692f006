"""A scripted server that speaks the OpenAI chat-completions protocol and journals every call.

    python -m tests.fakes.openai_server --port 0 --script rules.json

prints its base URL. A script is a list of rules, tried in order:

    {"when": {"contains": ["text", …], "without": ["text", …], "turns": 2, "schema": "name"},
     "reply": {"text": "…"} or {"tool_calls": [{"name": "…", "arguments": {…}}]},
     "usage": {"prompt_tokens": 10, "completion_tokens": 5} | false,
     "delay": 0.5, "hold": true, "status": 500, "retry_after": 1, "garbage": true, "disconnect": true, "chunks": 4,
     "logprob": -0.25, "sends": [{…}, …]}

A `status` is for the first request of an id alone with `"once": true`. `contains` looks at everything said so far, `turns`
counts the assistant's messages in the request, `schema` is the name of the response format. Matching looks at the request
alone, so asking again gives the same answer. Without a matching rule the answer is 400 and says what was asked; so it
is where a user speaks twice in a row, or a system message comes later than first, as with a strict chat template. `GET
/v1/usage` tells the journal as a provider does. What is on `hold` waits, having set `holding`, until `opened` is set, or the
`gate` of that name where `hold` is one; a caller that hangs up before is journaled with status 499 and costs nothing. `GET
/journal` lists all calls with their usage; `POST /script` replaces the rules. `logprob` goes with an answer whose request
asks for log-probabilities. A call's `raw` is sent as its arguments, word for word, and `sends` in place of an answer: each as
one event, whatever it is, and the last again without end with `"endless": true`, or all packed by gzip, which nobody asked
for, with `"packed": true`. With `slots` it works at so many calls at once, the others wait inside of it, and it says so as
llama.cpp does.
"""

import argparse
import gzip
import hashlib
import itertools
import json
import select
import socket
import threading
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.serving import Answering, Serving

Rule = dict[str, Any]
Body = dict[str, Any]


class OpenAIServer(Serving):
    """`url` is the base URL, ending in /v1."""

    def __init__(self, script: list[Rule] | None = None, port: int = 0, slots: int = 0) -> None:
        super().__init__(_Handler, port=port)
        self.url = f"{self.at}/v1"
        self.script = list(script or [])
        self.slots = threading.Semaphore(slots) if slots else nullcontext()
        self.props = {"total_slots": slots} if slots else {}
        self.models: list[dict[str, Any]] = [{"id": "scripted", "object": "model", "owned_by": "tests"}]
        self.metrics = ""
        self.journal: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.holding, self.opened = threading.Event(), threading.Event()
        self._gates: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def gate(self, name: str) -> threading.Event:
        """What calls that are on hold under this name wait for."""
        with self._lock:
            return self._gates.setdefault(name, threading.Event())

    def note(self, entry: dict[str, Any]) -> None:
        with self._lock:
            self.journal.append(entry)

    def rule_for(self, request: Body) -> Rule | None:
        with self._lock:
            self.asked.append(json.dumps(request, ensure_ascii=False))
        return next((rule for rule in self.script if _matches(rule.get("when", {}), request)), None)


def _said(request: Body) -> str:
    parts = []
    for message in request.get("messages", []):
        content = message.get("content")
        parts.append(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))
        parts.extend(json.dumps(call["function"], ensure_ascii=False) for call in message.get("tool_calls") or [])
    return "\n".join(parts)


def _matches(when: dict[str, Any], request: Body) -> bool:
    said = _said(request)
    turns = sum(message.get("role") == "assistant" for message in request.get("messages", []))
    schema = ((request.get("response_format") or {}).get("json_schema") or {}).get("name", "")
    return (
        all(text in said for text in when.get("contains", []))
        and not any(text in said for text in when.get("without", []))
        and when.get("turns", turns) == turns
        and when.get("schema", schema) == schema
        and when.get("model", request.get("model")) == request.get("model")
    )


def _usage(rule: Rule, request: Body, text: str) -> dict[str, Any] | None:
    given = rule.get("usage", {})
    if given is False:
        return None
    prompt = given.get("prompt_tokens", max(1, len(_said(request)) // 4))
    completion = given.get("completion_tokens", max(1, len(text) // 4))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": given.get("cached_tokens", 0)},
    }


def _out_of_turn(request: Body) -> bool:
    roles = [message.get("role") for message in request.get("messages", [])]
    return "system" in roles[1:] or ("user", "user") in itertools.pairwise(roles)


class _Handler(Answering):
    fake: OpenAIServer
    wbufsize = 0
    """A stream goes out event by event."""

    def take(self) -> None:
        self._look_up() if self.command == "GET" else self._do()

    def _look_up(self) -> None:
        if self.path == "/journal":
            self.tell(200, self.fake.journal)
        elif self.path.startswith("/v1/usage?"):
            self._usage(parse_qs(urlsplit(self.path).query))
        elif self.path == "/metrics" and self.fake.metrics:
            self.send(200, self.fake.metrics.encode(), {"Content-Type": "text/plain"})
        elif self.path == "/props" and self.fake.props:
            self.tell(200, self.fake.props)
        elif self.path == "/v1/models":
            self.tell(200, {"object": "list", "data": self.fake.models})
        else:
            self._error(404, f"no such path {self.path}")

    def _usage(self, query: dict[str, list[str]]) -> None:
        """The journal as a provider tells it: one line per request that it counts, in pages."""
        since, until = float(query["start_time"][0]), float(query["end_time"][0])
        first, size = int(query.get("after", ["0"])[0]), int(query.get("limit", ["1000"])[0])
        counted = [e for e in list(self.fake.journal) if e.get("usage") and since <= e["at"] < until]
        data = [
            {
                "request_id": entry["key"],
                "model": entry["model"],
                "prompt_tokens": entry["usage"]["prompt_tokens"],
                "completion_tokens": entry["usage"]["completion_tokens"],
                "cached_tokens": entry["usage"]["prompt_tokens_details"]["cached_tokens"],
            }
            for entry in counted[first : first + size]
        ]
        more = first + size < len(counted)
        self.tell(200, {"object": "list", "data": data, "has_more": more, "last_id": str(first + size)})

    def _do(self) -> None:
        try:
            body = json.loads(self.body() or b"null")
        except ValueError:
            return self._error(400, "the body is not JSON")
        if self.path == "/script":
            self.fake.script = body
            return self.tell(200, {"rules": len(body)})
        if self.path == "/v1/embeddings":
            return self._embeddings(body)
        if self.path == "/v1/chat/completions":
            with self.fake.slots:
                return self._chat(body)
        return self._error(404, f"no such path {self.path}")

    def _chat(self, request: Body) -> None:
        rule = self.fake.rule_for(request)
        key = self.headers.get("X-Request-Id", "")
        entry = {
            "model": request.get("model"),
            "key": key,
            "at": time.time(),
            "asked": hashlib.sha256(_said(request).encode()).hexdigest(),
        }
        if rule is None or _out_of_turn(request):
            self.fake.note({**entry, "status": 400})
            return self._error(400, f"{'out of turn' if rule else 'no rule for'}: {_said(request)[-600:]}")
        time.sleep(rule.get("delay", 0))
        if rule.get("hold") and not self._wait_for_opening(rule["hold"]):
            self.close_connection = True
            return self.fake.note({**entry, "status": 499})
        if "status" in rule and not (rule.get("once") and self._asked_before(key)):
            self.fake.note({**entry, "status": rule["status"]})
            return self._error(rule["status"], "scripted failure", rule.get("retry_after"))
        if rule.get("garbage"):
            self.fake.note({**entry, "status": 200, "garbage": True})
            return self.send(200, b"<html>not what you asked for", {"Content-Type": "text/html"})
        if "sends" in rule:
            self.fake.note({**entry, "status": 200, "sends": True})
            return self._sends(rule)
        message = _message(rule["reply"], request)
        text = message["content"] or json.dumps(message.get("tool_calls"))
        usage = _usage(rule, request, text)
        self.fake.note({**entry, "status": 200, "usage": usage, "stream": bool(request.get("stream"))})
        if request.get("stream"):
            return self._stream(request, rule, message, usage)
        if rule.get("disconnect"):
            self.close_connection = True
            return None
        finish = "tool_calls" if message.get("tool_calls") else "stop"
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        return self.tell(200, {**_envelope(request, "chat.completion"), "choices": [choice], "usage": usage})

    def _asked_before(self, key: str) -> bool:
        return any(entry["key"] == key for entry in list(self.fake.journal))

    def _wait_for_opening(self, hold: bool | str) -> bool:
        """Whether the hold was ended; False when the caller hung up first."""
        opening = self.fake.gate(hold) if isinstance(hold, str) else self.fake.opened
        self.fake.holding.set()
        while not opening.wait(0.02):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return False
        return True

    def _stream(self, request: Body, rule: Rule, message: dict[str, Any], usage: dict[str, Any] | None) -> None:
        self._begin_stream()
        pieces = _pieces(message, rule.get("chunks", 4))
        for number, delta in enumerate(pieces):
            if rule.get("disconnect") and number >= len(pieces) // 2:
                return
            choice = {**_choice(delta, None), "logprobs": None if number else _logprobs(rule, request)}
            self._event({**_envelope(request, "chat.completion.chunk"), "choices": [choice]})
            time.sleep(rule.get("chunk_delay", 0))
        finish = "tool_calls" if message.get("tool_calls") else "stop"
        self._event({**_envelope(request, "chat.completion.chunk"), "choices": [_choice({}, finish)]})
        if (request.get("stream_options") or {}).get("include_usage") and usage is not None:
            self._event({**_envelope(request, "chat.completion.chunk"), "choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _sends(self, rule: Rule) -> None:
        if rule.get("packed"):
            said = b"".join(_as_event(data) for data in rule["sends"])
            return self.send(
                200, gzip.compress(said), {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}
            )
        self._begin_stream()
        more = itertools.repeat(rule["sends"][-1]) if rule.get("endless") else ()
        with suppress(ConnectionError):
            for event in itertools.chain(rule["sends"], more):
                self._event(event)
            self.wfile.write(b"data: [DONE]\n\n")
        return None

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def _event(self, data: Any) -> None:
        self.wfile.write(_as_event(data))
        self.wfile.flush()

    def _embeddings(self, request: Body) -> None:
        inputs = request["input"] if isinstance(request["input"], list) else [request["input"]]
        data = [
            {"object": "embedding", "index": i, "embedding": [(sum(text.encode()) % 1000) / 1000] * 8}
            for i, text in enumerate(map(str, inputs))
        ]
        tokens = sum(len(str(text)) // 4 + 1 for text in inputs)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        self.tell(200, {"object": "list", "model": request.get("model"), "data": data, "usage": usage})

    def _error(self, status: int, message: str, retry_after: float | None = None) -> None:
        error = {"message": message, "type": "invalid_request_error" if status < 500 else "server_error", "code": None}
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self.tell(status, {"error": error}, headers)


def _envelope(request: Body, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-scripted", "object": kind, "created": int(time.time()), "model": request.get("model")}


def _message(reply: dict[str, Any], request: Body) -> dict[str, Any]:
    text = reply.get("text")
    message: dict[str, Any] = {
        "role": "assistant",
        "content": json.dumps(text) if isinstance(text, dict | list) else text,
    }
    turns = sum(m.get("role") == "assistant" for m in request.get("messages", []))
    if calls := reply.get("tool_calls"):
        message["tool_calls"] = [
            {
                "id": f"call_{turns}_{number}",
                "type": "function",
                "function": {"name": call["name"], "arguments": call.get("raw") or json.dumps(call["arguments"])},
            }
            for number, call in enumerate(calls)
        ]
    return message


def _as_event(data: Any) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _logprobs(rule: Rule, request: Body) -> dict[str, Any] | None:
    """As if the whole answer were one token."""
    if not request.get("logprobs") or "logprob" not in rule:
        return None
    token = {"token": "all", "logprob": rule["logprob"], "bytes": None, "top_logprobs": []}
    return {"content": [token], "refusal": None}


def _choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}


def _pieces(message: dict[str, Any], count: int) -> list[dict[str, Any]]:
    pieces: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    text = message["content"] or ""
    size = max(1, -(-len(text) // count))
    pieces += [{"content": text[start : start + size]} for start in range(0, len(text), size)]
    pieces += [{"tool_calls": [{"index": i, **call}]} for i, call in enumerate(message.get("tool_calls") or [])]
    return pieces


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path)
    options = parser.parse_args()
    script = json.loads(options.script.read_text()) if options.script else []
    server = OpenAIServer(script, options.port)
    print(server.url, flush=True)
    server.http.serve_forever()


if __name__ == "__main__":
    main()
