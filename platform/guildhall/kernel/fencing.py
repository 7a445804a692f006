"""Marking what people, repositories, programs and models say as data in a prompt. Pure; no Django.

Whatever stands in a fence is never an instruction; every system prompt says so. No text can end its own fence or begin
another: what looks like a fence's tag in it is written with `&lt;`, and in JSON with an escape.
"""

import json
import re
from functools import cache
from typing import Any

TAG = "data"
_BLANK = r"[\s\u200B-\u200F\u2060\uFEFF]*"
_OPENS = "[<\uff1c\u2039\ufe64]"
"""What stands for a tag's first sign, to a reader: also its wide, its single quoting and its small form."""


def fenced(source: str, value: Any, **about: object) -> str:
    """`value` between tags that name its source: text as it is, anything else as JSON.

    `about` are further facts in the tag. None of it can close the fence.
    """
    body = held(value) if isinstance(value, str) else json_held(value)
    facts = "".join(f" {name}={_fact(fact)}" for name, fact in about.items())
    return f"<{TAG} source={_fact(source)}{facts}>\n{body}\n</{TAG}>"


def held(text: str, tag: str = TAG) -> str:
    """`text` with everything disarmed that a reader could take for a tag of this name, however it is spelled."""
    return _like(tag).sub(r"&lt;\1", text)


@cache
def _like(tag: str) -> re.Pattern[str]:
    letters = _BLANK.join(map(re.escape, tag))
    return re.compile(rf"{_OPENS}({_BLANK}/?{_BLANK}{letters}\b)", re.IGNORECASE)


def json_held(value: Any) -> str:
    """JSON in which no `<` stands by itself, nor what looks like one before a tag's name."""
    return held(json.dumps(value, ensure_ascii=False, indent=1).replace("<", "\\u003c"))


def _fact(value: object) -> str:
    """A fact as an attribute: nothing in it ends the attribute or the tag."""
    plain = re.sub(r"[^\w .:/@+-]", "_", str(value))[:120]
    return f"'{plain}'"
