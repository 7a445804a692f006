"""What a policy's patterns take out of texts before these are sent and kept: outputs, what was said and what was called."""

import json
from collections.abc import Callable
from typing import Any

from governance.policies.document_sections import ViolationPattern, ViolationPlace
from governance.policies.patterns import replace
from governance.selectors.policy import active_policy
from guildhall.kernel.redaction import MARK


def patterns(place: ViolationPlace) -> list[ViolationPattern]:
    """The policy's patterns for a place."""
    return [rule for rule in active_policy().document.violations.patterns if place in rule.places]


def hiding(place: ViolationPlace) -> Callable[[str], str]:
    """What takes out of texts what the patterns for a place find in them, by the policy as it is now; no violation."""
    rules = patterns(place)

    def hidden(text: str) -> str:
        for rule in rules:
            text = replace(rule.pattern, MARK, text)
        return text

    return hidden


def masked_message(message: dict[str, Any], masked: Callable[[str], str]) -> dict[str, Any]:
    """A message whose text and whose calls' arguments went through `masked`."""
    said = {**message, "content": masked(message["content"])} if message.get("content") else message
    if not (calls := message.get("tool_calls")):
        return said
    functions = [{**call["function"], "arguments": _arguments(call["function"]["arguments"], masked)} for call in calls]
    return {**said, "tool_calls": [{**call, "function": f} for call, f in zip(calls, functions, strict=True)]}


def _arguments(text: str, masked: Callable[[str], str]) -> str:
    """Arguments of a call, masked. They stay JSON, which engines insist on, also where a pattern spans several values."""
    try:
        clean = json.dumps(_each(json.loads(text), masked), ensure_ascii=False)
    except ValueError:
        return masked(text)
    whole = masked(clean)
    return clean if whole == clean else json.dumps({"arguments": whole}, ensure_ascii=False)


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """Decoded JSON with every text in it changed, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): _each(inside, change) for key, inside in value.items()}
    return [_each(inside, change) for inside in value] if isinstance(value, list) else value
