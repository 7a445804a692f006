"""The two forms in which a model acts: tool calls of its protocol, or one JSON object that a schema constrains. Pure."""

import hashlib
import json
from typing import Any

from gpu_workers.loop.protocols import Message, ModelReply, ToolCall, ToolSpec
from guildhall.kernel.texts import Unreadable, read_first_object

LONGEST_COUNTED = 1000
"""Grammars unroll a length limit: above this they grow past what engines take, so the tool alone keeps to it."""
FORM = (
    "You act by answering with exactly one JSON object and nothing else:\n"
    '{"tool": "<name of a tool>", "arguments": {<what the tool takes>}}\n'
    "You are then told what came of it. The tools, each with the JSON schema of its arguments:"
)


def action_schema(tools: list[ToolSpec]) -> dict[str, Any]:
    """The constrained action format of models without tool calls: `{"tool": name, "arguments": {…}}`, one of `tools`."""
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {"tool": {"const": tool.name}, "arguments": _lean(tool.parameters)},
                "required": ["tool", "arguments"],
                "additionalProperties": False,
            }
            for tool in tools
        ]
    }


def action_form(tools: list[ToolSpec]) -> str:
    """The same format in words, for the prompt: what the engine constrains by a grammar, the model has to be told."""
    listed = [f"- {tool.name}: {tool.description} {json.dumps(tool.parameters, ensure_ascii=False)}" for tool in tools]
    return "\n".join([FORM, *listed])


def action_of(reply: ModelReply, key: str) -> ToolCall:
    """The call that an answer in the action format makes. Words around the object, as of a Markdown fence, are passed over."""
    problem = "the answer is not one JSON object with a tool and its arguments"
    try:
        action = read_first_object(reply.text)
        return ToolCall(id=key, name=str(action["tool"]), arguments=dict(action["arguments"]))
    except Unreadable as error:
        problem += f": {error}"
    except (ValueError, KeyError, TypeError):
        pass
    if reply.finish_reason == "length":
        problem += "; it was cut at its greatest length, so do less at once"
    return ToolCall(id=key, name="", arguments={}, problem=problem)


def spoken(reply: ModelReply, native: bool, longest: int) -> Message:
    """An answer as a message of the conversation, no argument longer than `longest` characters."""
    if not native:
        calls = [{"tool": call.name, "arguments": _cut(call.arguments, longest)} for call in reply.tool_calls[:1]]
        readable = calls and not reply.tool_calls[0].problem
        whole = len(reply.text) <= longest
        said = reply.text if whole or not readable else json.dumps(calls[0], ensure_ascii=False)
        return {"role": "assistant", "content": said if readable or whole else _cut(reply.text, longest)}
    message: Message = {"role": "assistant", "content": _cut(reply.text, longest) or None}
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(_cut(call.arguments, longest), sort_keys=True)},
            }
            for call in reply.tool_calls
        ]
    return message


def told(call: ToolCall, text: str, native: bool) -> Message:
    """What came of a call as a message of the conversation."""
    return {"role": "tool", "tool_call_id": call.id, "content": text} if native else {"role": "user", "content": text}


def _cut(value: Any, longest: int) -> Any:
    """`value` with every longer text cut, and named by its length and hash."""
    if isinstance(value, str) and len(value) > longest:
        sha = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:12]
        return f"{value[:longest]} [cut: {len(value)} characters, sha256 {sha}]"
    if isinstance(value, dict):
        return {name: _cut(part, longest) for name, part in value.items()}
    if isinstance(value, list):
        return [_cut(part, longest) for part in value]
    return value


def _lean(schema: Any) -> Any:
    if isinstance(schema, dict):
        longest = schema.get("maxLength")
        endless = isinstance(longest, int) and longest > LONGEST_COUNTED
        return {name: _lean(part) for name, part in schema.items() if not (endless and name == "maxLength")}
    return [_lean(part) for part in schema] if isinstance(schema, list) else schema
