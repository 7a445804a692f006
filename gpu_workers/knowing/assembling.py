"""Putting pieces of knowledge together within a budget, the most important first. Pure.

Sizes are those by which the loop's memory counts: bytes of the JSON in a prompt.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from gpu_workers.loop.memory import size_of

LEAST = 160
"""Bytes below which what is left of a piece says nothing."""
FIRST_SHARE, SHARE = 0.5, 0.35
"""Of the room: what the first piece may take, and each later one, while there are others."""
NAMED = 6
CUT = " […]"


@dataclass(frozen=True, slots=True)
class Piece:
    """Something to know. `ref` leads back to it, `why` says why it is told."""

    ref: str
    why: str
    text: str

    @property
    def told(self) -> str:
        return f"[{self.ref}] {self.why}\n{self.text}".strip()


@dataclass(frozen=True, slots=True)
class Told:
    """What is told, and the references in it."""

    text: str
    refs: tuple[str, ...] = ()


def assemble(pieces: Sequence[Piece], room: int) -> Told:
    """As many of the pieces as fit into `room` bytes, in their order; a last line names those that do not.

    A long piece is cut, so that it leaves room for the others.
    """
    last = size_of(_left_out(pieces)) if sum(size_of(piece.told) for piece in pieces) > room else 0
    kept: list[tuple[Piece, str]] = []
    missing: list[Piece] = []
    left = room - last
    for piece in pieces:
        share = int(room * (SHARE if kept else FIRST_SHARE)) if last else left
        text = fitted(piece.told, min(left, share))
        if size_of(text) < min(LEAST, size_of(piece.told)):
            missing.append(piece)
            continue
        kept.append((piece, text))
        left -= size_of(text) + len("\n\n")
    said = [text for _, text in kept] + ([_left_out(missing)] if missing else [])
    return Told("\n\n".join(said), tuple(piece.ref for piece, _ in kept))


def fitted(text: str, room: int) -> str:
    """`text`, or as much of its beginning as takes `room` bytes; "" where nothing does."""
    if size_of(text) <= room:
        return text
    fits = bisect_right(range(len(text)), room, key=lambda length: size_of(text[:length] + CUT)) - 1
    return text[:fits].rstrip() + CUT if fits > 0 else ""


def _left_out(pieces: Sequence[Piece]) -> str:
    names = ", ".join(piece.ref[:60] for piece in pieces[:NAMED])
    more = f" and {len(pieces) - NAMED} more" if len(pieces) > NAMED else ""
    return f"Left out for room: {names}{more}."
