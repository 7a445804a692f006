"""What a model can do, found out by asking it: tool calls of its own accord, a JSON schema, a verdict on a change.

A few short questions with known answers, by the same protocol as all calls. A model that fails one is taken for a small
one: it is then led step by step, and its verdicts do not count. No Django.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx2

from gateway.chat import Answer, Request
from gateway.wire import CallFailed, Endpoint, call
from guildhall.kernel.texts import Unreadable, read_json

BUDGET_SECONDS = 90.0
PLAIN_SECONDS = 30.0
LIST_SECONDS = 5.0
ANSWER_TOKENS = 400
WINDOW_NAMES = ("max_model_len", "context_length", "context_window")
"""What servers that say how much a model reads at once call it."""
UNLISTED = (httpx2.HTTPError, ValueError, KeyError, TypeError, StopIteration)

TOOLS: list[dict[str, Any]] = [
    {
        "name": "note_parcels",
        "description": "Write down how many parcels go to a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "parcels": {"type": "integer"}},
            "required": ["city", "parcels"],
        },
    },
    {
        "name": "cancel_delivery",
        "description": "Call a delivery off.",
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "integer"}},
            "required": ["number"],
        },
    },
]
ORDERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "Nobody wants delivery 3071 any more. Use a tool to do what is needed.",
        "cancel_delivery",
        {"number": 3071},
    ),
    (
        "A van takes fourteen parcels to Lisbon and comes back empty. Use a tool to write that down.",
        "note_parcels",
        {"city": "Lisbon", "parcels": 14},
    ),
)
VERDICT: dict[str, Any] = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": ["keeps", "breaks"]}},
    "required": ["verdict"],
    "additionalProperties": False,
}
CHANGES: tuple[tuple[str, str, str], ...] = (
    ("Parcels up to and including 20 kg are taken.", "-    return weight < 20\n+    return weight <= 20", "keeps"),
    ("Only a signed-in user may read an order.", "-    if not user: raise Denied()\n     return order", "breaks"),
    ("An empty list has the total 0.", "-    return sum(prices)\n+    return prices[0] + sum(prices[1:])", "breaks"),
    ("A name is shown without spaces around it.", "-    return name\n+    return name.strip()", "keeps"),
)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What was found: native tool calls, answers that obey a schema, verdicts that can be relied on.

    `refusal` is what the server said where it took no request that offers tools: the model was not even asked.
    """

    tools: bool
    schema: bool
    judges: bool
    refusal: str = field(default="", compare=False)


def find_out(endpoint: Endpoint) -> Abilities:
    """Ask the model, 90 s at most. Raises `CallFailed` when it does not answer even a plain question."""
    began = time.monotonic()
    _plain(endpoint)
    refusals: list[str] = []

    def asked(request: Request) -> Answer | None:
        left = BUDGET_SECONDS - (time.monotonic() - began)
        try:
            answer = call(endpoint, request, deadline_s=left) if left > 0 else None
        except CallFailed as failure:
            if request.tools:
                refusals.append(str(failure))
            return None  # it answers plain questions, so this kind is what it refuses
        return None if answer is None or answer.cut else answer

    verdicts = []
    for rule, change, right in CHANGES:
        verdict = _verdict(asked(_case(rule, change)))
        verdicts.append((verdict, right))
        if verdict != right:
            break
    schema = bool(verdicts[0][0])
    # Whoever judges has to look for itself, with tools.
    tools = all(_called(asked(_order(text)), name, wanted) for text, name, wanted in ORDERS)
    judges = tools and all(verdict == right for verdict, right in verdicts)
    return Abilities(tools, schema, judges, next(iter(refusals), ""))


def takes_salt(endpoint: Endpoint) -> bool | None:
    """Whether the server tells its callers' caches apart by a salt: vLLM, which lists its models as its own.

    None where it does not list the model.
    """
    try:
        return bool(_listed(endpoint).get("owned_by") == "vllm")
    except UNLISTED:
        return None


def window_of(endpoint: Endpoint) -> int | None:
    """How many tokens the model reads and writes together, where its server says so in its list of models."""
    try:
        entry = _listed(endpoint)
        found = next(int(entry[name]) for name in WINDOW_NAMES if entry.get(name))
    except UNLISTED:
        return None
    return found if found > 0 else None


def _listed(endpoint: Endpoint) -> dict[str, Any]:
    """The model as its server lists it. Raises one of `UNLISTED` where it does not."""
    headers = {"Authorization": f"Bearer {endpoint.api_key or 'none'}"}
    listed = httpx2.get(f"{endpoint.base_url.rstrip('/')}/models", headers=headers, timeout=LIST_SECONDS).json()
    return dict(next(row for row in listed["data"] if row["id"] == endpoint.model))


def slots_of(endpoint: Endpoint) -> int | None:
    """How many calls the server works at at once, where it is llama.cpp, which says so; others queue as they like."""
    root = endpoint.base_url.rstrip("/").removesuffix("/v1")
    headers = {"Authorization": f"Bearer {endpoint.api_key or 'none'}"}
    try:
        found = int(httpx2.get(f"{root}/props", headers=headers, timeout=LIST_SECONDS).json()["total_slots"])
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return None
    return found if found > 0 else None


def _plain(endpoint: Endpoint) -> None:
    request = Request(messages=[{"role": "user", "content": "Say hello."}], max_tokens=16)
    if why := call(endpoint, request, deadline_s=PLAIN_SECONDS).cut:
        raise CallFailed(f"the model server did not answer: {why}", retryable=True)


def _order(text: str) -> Request:
    return Request(messages=[{"role": "user", "content": text}], tools=TOOLS, max_tokens=ANSWER_TOKENS)


def _called(answer: Answer | None, name: str, wanted: dict[str, Any]) -> bool:
    if answer is None or [made["name"] for made in answer.tool_calls] != [name]:
        return False
    try:
        return bool(read_json(answer.tool_calls[0]["arguments"]) == wanted)
    except Unreadable:
        return False


def _case(rule: str, change: str) -> Request:
    text = f"The rule: {rule}\nThe change:\n{change}\nDoes the code keep or break the rule after the change?"
    messages = [{"role": "user", "content": text}]
    return Request(messages=messages, schema=VERDICT, schema_name="verdict", max_tokens=ANSWER_TOKENS)


def _verdict(answer: Answer | None) -> str:
    """`keeps` or `breaks`; empty when the answer does not obey the schema."""
    try:
        said = read_json(answer.text) if answer is not None else None
    except Unreadable:
        return ""
    if not isinstance(said, dict) or said.keys() != {"verdict"}:
        return ""
    return said["verdict"] if said["verdict"] in ("keeps", "breaks") else ""
