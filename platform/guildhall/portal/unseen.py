"""Pages show the codes of characters that nobody sees, whoever wrote the text: people decide by what they read."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.html import escape

from guildhall.kernel.unseen import PROSE, hiding_in, seen, sign

PARTS = re.compile(r"<(textarea|script|style)\b.*?</\1>|<!--.*?-->|(?P<tag><[^>]*>)|(?P<text>[^<]+)", re.DOTALL)
SAID = re.compile(r'(?<=\s)(?:title|aria-label|data-tip)="[^"]*"')
"""What a tag says to people. Its other words are addresses, and what a form sends back as it was stored."""


class UnseenMiddleware:
    """Puts codes such as <U+202E> into the text, the labels and the tips of every page. What is typed into forms stays."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = not response.streaming and response.get("Content-Type", "").startswith("text/html")
        if is_page and hiding_in(response.content, PROSE):
            response.content = PARTS.sub(_shown, response.content.decode())
        return response


def _shown(part: re.Match[str]) -> str:
    if part["tag"]:
        return SAID.sub(lambda words: _seen(words[0]), part[0])
    return _seen(part[0]) if part["text"] else part[0]


def _seen(words: str) -> str:
    return seen(words, PROSE, _escaped)


def _escaped(mark: str) -> str:
    return escape(sign(mark))
