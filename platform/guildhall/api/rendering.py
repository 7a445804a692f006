"""Answers in JSON that can be read as they come: characters that nobody sees are written by their codes."""

import json
from typing import Any

from rest_framework.renderers import JSONRenderer

from guildhall.kernel.unseen import PROSE, seen


class Renderer(JSONRenderer):
    """JSON's own codes, such as \\u202e: programs get what is stored."""

    def render(self, data: Any, *args: Any, **more: Any) -> bytes:
        written: bytes = super().render(data, *args, **more)
        return written if written.isascii() else seen(written.decode(), PROSE, _escaped).encode()


def _escaped(mark: str) -> str:
    return json.dumps(mark)[1:-1]
