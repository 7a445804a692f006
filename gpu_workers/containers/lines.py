"""The lines of a Containerfile: directives, continued lines, instructions and their flags. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_TEXT = 64 * 1024
MAX_INSTRUCTIONS = 300
DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S+)\s*\Z")
OUR_SYNTAX = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")
NO_BLANKS = re.compile(r"[\x1c-\x1f]")
"""What Python takes for blanks and no builder does: a flag would end earlier here than there."""
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::([-+])([^}]*))?\}|(\w+))")


class RecipeRefused(ValueError):
    """It cannot be built here; the message says where, why, and what would be accepted."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, on one line, and the number of the line that it began on."""

    line: int
    word: str
    rest: str


@dataclass(frozen=True, slots=True)
class Lines:
    instructions: list[Instruction]
    notes: list[str]


def instructions(text: str) -> Lines:
    """Every instruction in order. Lines end at line feeds alone, as the builder ends them. Raises RecipeRefused."""
    if len(text) > MAX_TEXT or "\0" in text:
        raise RecipeRefused(1, f"It is no text of at most {MAX_TEXT} characters.")
    if odd := NO_BLANKS.search(text):
        at = text.count("\n", 0, odd.start()) + 1
        raise RecipeRefused(at, f"It holds the control character U+{ord(odd[0]):04X}; take it out.")
    physical = text.removeprefix("\ufeff").split("\n")
    notes = _directives(physical)
    found: list[Instruction] = []
    begun, whole = 0, ""
    for number, line in enumerate(physical, 1):
        bare = line.rstrip()
        if not bare or bare.lstrip().startswith("#"):
            continue
        begun = begun or number
        continued = bare.endswith("\\")
        whole += bare[:-1] if continued else bare
        if not continued:
            found.append(_instruction(begun, whole))
            begun, whole = 0, ""
    if whole:
        found.append(_instruction(begun, whole))
    if len(found) > MAX_INSTRUCTIONS:
        raise RecipeRefused(found[MAX_INSTRUCTIONS].line, f"It has more than {MAX_INSTRUCTIONS} instructions.")
    return Lines(found, notes)


def _instruction(line: int, text: str) -> Instruction:
    text = text.strip()
    if text.endswith("\\"):
        raise RecipeRefused(line, "It ends with a backslash, and no line follows that it could go on in.")
    word, *rest = text.split(None, 1) or [""]
    return Instruction(line, word.upper(), "".join(rest).strip())


def _directives(physical: list[str]) -> list[str]:
    """Notes about those at the head of the file. Raises RecipeRefused for one that asks for another builder."""
    notes = []
    for number, line in enumerate(physical, 1):
        found = DIRECTIVE.match(line.strip())
        if found is None:
            break
        name, value = found[1].lower(), found[2]
        if name == "syntax":
            if not OUR_SYNTAX.fullmatch(value):
                raise RecipeRefused(
                    number, f"The frontend {value[:120]!r} is an image that would run: none is fetched."
                )
            notes.append(
                "the line `# syntax=` is not followed: the builder speaks the language that it was packed with"
            )
        elif name == "escape" and value != "\\":
            raise RecipeRefused(number, "Lines are continued with a backslash alone.")
    return notes


def flags(one: Instruction) -> tuple[list[tuple[str, str]], str]:
    """The `--name=value` that an instruction begins with, and what follows them. Raises RecipeRefused."""
    given, rest = list[tuple[str, str]](), one.rest
    while found := re.match(r"--([a-z]+)(?:=(\S*))?(?:\s+|\Z)", rest):
        given.append((found[1], found[2] or ""))
        rest = rest[found.end() :]
    if rest.startswith("--"):
        raise RecipeRefused(one.line, f"{rest.split()[0][:60]!r} is no flag that is known here.")
    return given, rest


def sources(text: str) -> list[str]:
    """What COPY or ADD take from: all but the last, written plainly or as a list."""
    if text.startswith("["):
        try:
            return [str(one) for one in json.loads(text)[:-1]]
        except (ValueError, TypeError, RecursionError):
            return [text]
    return [word.strip("\"'") for word in text.split()[:-1]]


def substituted(text: str, values: Mapping[str, str], one: Instruction, *, strict: bool = True) -> str:
    """`text` with the defaults of ARG (and ENV) in it. Raises RecipeRefused where one has none, if `strict`."""

    def value(found: re.Match[str]) -> str:
        name, how, other = found[1] or found[4], found[2], found[3] or ""
        known = values.get(name, "")
        if how == "+":
            return other if known else ""
        if known or how == "-":
            return known or other
        if strict:
            raise RecipeRefused(one.line, f"${name[:60]} has no value: give ARG {name[:60]} a default.")
        return found[0]

    return VARIABLE.sub(value, text)
