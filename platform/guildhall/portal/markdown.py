"""Markdown that people and models wrote, as HTML that is safe to show: one renderer and one sanitiser for every page."""

import re
from collections.abc import Mapping

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
HANDLE = re.compile(r"(?<![\w@./])@([A-Za-z0-9](?:[A-Za-z0-9_-]{0,58}[A-Za-z0-9])?)")
"""A handle in running text: `@maya-lindqvist`; an e-mail address holds none."""
HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5"}


def _modest_headings(state: StateCore) -> None:
    """A comment's heading never outranks the page's own."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = HEADINGS.get(token.tag, "h6")


def _renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20})
    renderer.enable(["table", "strikethrough"]).disable("image")
    renderer.core.ruler.push("modest_headings", _modest_headings)
    return renderer


_RENDERER = _renderer()


def render_markdown(text: str, mentions: Mapping[str, str] | None = None) -> SafeString:
    """Markdown as HTML without scripts, images, styles or foreign markup.

    `mentions` are names by handle; `@handle` of a known one is shown as that name. Links say nothing about us to where
    they lead and carry no authority.
    """
    tokens = _RENDERER.parse(text)
    for token in tokens:
        _name(token, mentions or {})
    html = _RENDERER.renderer.render(tokens, _RENDERER.options, {})
    clean = nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel="noopener noreferrer nofollow"
    )
    return mark_safe(clean)  # noqa: S308  nh3 has just parsed it and kept nothing but the tags and attributes above


def _name(token: Token, mentions: Mapping[str, str]) -> None:
    """Put names in the place of handles, in running text only: what is code stays code."""

    def named(found: re.Match[str]) -> str:
        return f"@{mentions.get(found.group(1).lower(), found.group(1))}"

    for child in token.children or ():
        if child.type == "text":
            child.content = HANDLE.sub(named, child.content)


def handles_in(text: str) -> list[str]:
    """The handles that Markdown mentions, in order, as written; in code there are none."""
    running = (child for token in _RENDERER.parse(text) for child in token.children or () if child.type == "text")
    return [handle for child in running for handle in HANDLE.findall(child.content)]


def plain_excerpt(text: str, limit: int = 140) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
