"""What is shown of characters that hide, and what is left as it is. Pure."""

import pytest

from gpu_workers.web.call_panel import said
from guildhall.kernel.unseen import seen

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("if a != 'x\u202e\u2066' # admin\u2069", "if a != 'x<U+202E><U+2066>' # admin<U+2069>"),
        ("pass\u200bword = eval(\ufe0f\U000e0100)", "pass<U+200B>word = eval(<U+FE0F><U+E0100>)"),
        ("a\xa0b\rc\x1b[2J", "a<U+00A0>b<U+000D>c<U+001B>[2J"),
        ("a \ufe0f\u200d\ufe0f", "a <U+FE0F><U+200D><U+FE0F>"),
        ("\u0645\u06cc\u200c pass\u200cword", "\u0645\u06cc<U+200C> pass<U+200C>word"),
    ],
)
def test_what_nobody_sees_is_shown_by_its_code(text: str, shown: str) -> None:
    assert (seen(text), said(text), seen(shown)) == (shown, shown, shown)


@pytest.mark.parametrize(
    "text",
    [
        "\tdef f():\r\n  pass\r",
        "z\u017c\u00f3\u0142\u0107, \u6f22\u5b57, \u0639",
        "\u26a0\ufe0f 1\ufe0f\u20e3",
        "\U0001f469\U0001f3fd\u200d\U0001f4bb",
        "\U0001fae8\U0001fadf",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645, \u0915\u094d\u200d\u0937",
    ],
)
def test_what_people_see_stays_as_it_is(text: str) -> None:
    assert seen(text) == text


def test_a_name_is_one_line() -> None:
    assert seen("a\nb\tc\r", "") == "a<U+000A>b<U+0009>c<U+000D>"
