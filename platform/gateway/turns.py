"""A conversation as every model's chat template takes it. No Django."""

from itertools import groupby
from typing import Any


def in_turns(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`messages` with what a user says several times in a row joined to one: strict templates want roles in turn.

    Texts alone are joined, with an empty line between them; a server that is given anything else gets it as it is.
    """
    turns: list[dict[str, Any]] = []
    for is_said, some in groupby(messages, _is_said):
        if is_said:
            turns.append({"role": "user", "content": "\n\n".join(message["content"] for message in some)})
        else:
            turns += some
    return turns


def _is_said(message: dict[str, Any]) -> bool:
    return message.keys() == {"role", "content"} and message["role"] == "user" and isinstance(message["content"], str)
