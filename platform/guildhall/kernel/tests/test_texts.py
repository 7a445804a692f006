"""What models and strangers write: read, or refused with the reason; never something that cannot be kept."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.kernel.texts import StorableStream, Unreadable, read_first_object, read_json, storable

pytestmark = pytest.mark.unit
SMILE = "\ud83d" + "\ude00"
"""One character in two halves, as a stream of JSON escapes may bring it."""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "give me 10",
        '{"a": 1} and more',
        '"a\\u0000b"',
        '{"a\\ud800": 1}',
        "[NaN]",
        "[-Infinity]",
        "[1e999]",
        "[" * 5000,
        "[" * 50 + "]" * 50,
        "1" * 5000,
    ],
)
def test_json_that_nobody_could_keep_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read_json(text)
    with pytest.raises(Unreadable):
        read_first_object(f'```{{"a": {text}}}```')


def test_words_around_an_object_are_passed_over() -> None:
    assert read_first_object('```json\n{"a": [1.5, "\\ud83d\\ude00"]}\n```') == {"a": [1.5, "\U0001f600"]}
    assert read_json(json.dumps({"a": None})) == {"a": None}


@given(st.lists(st.text(st.characters(categories=None, exclude_categories=()), max_size=4), max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_text_in_pieces_becomes_what_the_whole_of_it_becomes(pieces: list[str]) -> None:
    stream = StorableStream()
    told = "".join([*map(stream.feed, pieces), stream.finish()])
    assert told == storable("".join(pieces))
    told.encode()
    assert "\0" not in told


def test_pairs_survive_and_what_is_alone_is_marked() -> None:
    assert storable(f"a{SMILE}\ud800b\0\udc00") == "a\U0001f600\ufffdb\ufffd\ufffd"
    stream = StorableStream()
    assert [stream.feed(f"a{SMILE[0]}"), stream.feed(SMILE[1]), stream.feed("\ud800"), stream.finish()] == [
        "a",
        "\U0001f600",
        "",
        "\ufffd",
    ]
