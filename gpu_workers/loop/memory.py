"""What of a long piece of work the model is told again: the task and the newest results whole, older ones as receipts.

Pure: the same turns, notes and sizes give the same prompt, so that a run that goes on after a crash tells it again alike.
Sizes are bytes of UTF-8 JSON, which is what the gateway judges by.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gpu_workers.loop.actions import spoken, told
from gpu_workers.loop.protocols import Message, ModelReply, ToolCall
from guildhall.kernel.fencing import fenced

ALL = 1_000_000
KEPT_SHARE = 0.6
"""How much of its room a conversation takes at most after older steps were put away, so that it is not done each turn."""
LINE = 150
NOTES = 1600


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one call. `step` names the stored step that holds all of it."""

    step: str
    call: ToolCall
    ok: bool
    text: str

    @property
    def sha(self) -> str:
        """The start of the SHA-256 (hex) of the whole text."""
        return hashlib.sha256(self.text.encode("utf-8", "replace")).hexdigest()[:12]

    @property
    def receipt(self) -> str:
        """One line that stands for it: which step, what was called, how much came, its hash, and how that begins."""
        about = next((str(value) for value in self.call.arguments.values() if isinstance(value, str)), "")
        begins = " ".join(self.text.split())[:LINE]
        said = "done" if self.ok else "failed"
        what = f"{self.call.name or 'action'} {' '.join(about.split())[:80]}".strip()
        return f"step {self.step}: {what}: {said}, {len(self.text)} characters, sha256 {self.sha}: {begins}"


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the model and what came of it; `nudge` is what it was told when it called nothing."""

    reply: ModelReply
    results: tuple[Result, ...] = ()
    nudge: str = ""


@dataclass(frozen=True, slots=True)
class _Show:
    """How much is shown: receipts in lines, notes, arguments of the newest calls and results in characters."""

    lines: int
    notes: int
    argument: int
    result: int


class Memory:
    """The conversation of one loop. `room` is what a prompt may take in bytes, `observation` a result in characters."""

    def __init__(self, pinned: Sequence[Message], *, room: int, observation: int, native: bool) -> None:
        self._pinned = list(pinned)
        self._room = room
        self._observation = observation
        self._native = native
        self._turns: list[Turn] = []
        self._away: list[Turn] = []
        self._notes = ""

    def add(self, turn: Turn) -> None:
        self._turns.append(turn)

    @property
    def has_receipts(self) -> bool:
        """Whether there is anything that the model was told only in part."""
        shown = any(len(result.text) > self._observation for turn in self._turns for result in turn.results)
        return shown or any(turn.results for turn in self._away)

    def read(self, step: str, first: int) -> str | None:
        """The stored result of a step again, a piece of it from character `first`; None when there is no such step."""
        for turn in [*self._away, *self._turns]:
            for result in turn.results:
                if result.step == step:
                    piece = result.text[first : first + self._observation]
                    left = len(result.text) - first - len(piece)
                    return piece + (f"\n[{left} more characters from {first + len(piece)} on]" if left > 0 else "")
        return None

    def outgrown(self, taken: int) -> list[Turn]:
        """The oldest turns, to be put away before the next prompt fits beside `taken` bytes; none while all fits."""
        room = self._room - taken
        if _size(self._shown(self._turns, self._whole)) <= room:
            return []
        count = 1
        while count < len(self._turns) - 1:
            if _size(self._shown(self._turns[count:], self._whole)) <= room * KEPT_SHARE:
                break
            count += 1
        return self._turns[:count] if len(self._turns) > 1 else []

    def put_away(self, turns: Sequence[Turn], notes: str) -> None:
        """Tell the oldest turns by their receipts from now on, and by `notes`, which stand for the earlier notes too."""
        self._away += turns
        del self._turns[: len(turns)]
        self._notes = notes.strip()[:NOTES] or self._notes

    def asking_notes(self, turns: Sequence[Turn], instruction: str) -> list[Message]:
        """The prompt for the notes about `turns`: the task, the notes so far, what came of each call, the instruction."""
        limit = self._observation
        while True:
            parts = [fenced("earlier notes", self._notes)] if self._notes else []
            for turn in turns:
                parts += [_result_text(result, limit, step=True) for result in turn.results]
            asked: Message = {"role": "user", "content": "\n\n".join([*parts, instruction])}
            if limit <= LINE or _size([*self._pinned, asked]) <= self._room:
                return [*self._pinned, asked]
            limit //= 2

    def prompt(self, taken: int) -> list[Message]:
        """What to tell the model beside `taken` bytes of tools. It fits if the task and a line about each new result do.

        The newest results stay whole where there is room for them at all; receipts and notes give way first.
        """
        told_so: list[Message] = []
        for show in _tighter(self._observation, len(self._away)):
            told_so = self._shown(self._turns, show)
            if _size(told_so) <= self._room - taken:
                break
        return told_so

    @property
    def _whole(self) -> _Show:
        return next(_tighter(self._observation, len(self._away)))

    def _shown(self, turns: Sequence[Turn], show: _Show) -> list[Message]:
        said = [*self._pinned]
        if self._away:
            said.append({"role": "user", "content": fenced("earlier steps", self._earlier(show))})
        for turn in turns:
            said.append(spoken(turn.reply, self._native, show.argument))
            for result in turn.results:
                text = _result_text(result, show.result, step=False)
                said.append(told(result.call, text, self._native))
            if turn.nudge:
                said.append({"role": "user", "content": turn.nudge})
        return said

    def _earlier(self, show: _Show) -> str:
        receipts = [result.receipt for turn in self._away for result in turn.results]
        shown = receipts[-show.lines :] if show.lines else []
        said = [self._notes[: show.notes]] if self._notes and show.notes else []
        if left := len(receipts) - len(shown):
            said.append(f"{left} earlier steps are stored; read_step tells one again by its name.")
        return "\n".join([*said, *shown])


def _tighter(observation: int, away: int) -> Iterator[_Show]:
    """Ways to show a conversation, the fullest first."""
    lines = min(away * 4, 24)
    while lines > 2:
        yield _Show(lines, NOTES, ALL, observation)
        lines //= 2
    yield _Show(2, NOTES, ALL, observation)
    yield _Show(1, 400, ALL, observation)
    yield _Show(0, 0, ALL, observation)
    yield _Show(0, 0, 400, observation)
    result = observation
    while result > LINE:
        result //= 2
        yield _Show(0, 0, LINE, result)
    yield _Show(0, 0, LINE // 3, LINE // 3)
    yield _Show(0, 0, 0, 0)


def _result_text(result: Result, limit: int, *, step: bool) -> str:
    facts: dict[str, Any] = {"ok": result.ok}
    text = result.text
    if step or len(text) > limit:
        facts["step"] = result.step
    if len(text) > limit:
        facts |= {"characters": len(text), "sha256": result.sha}
        text = f"{text[:limit]}\n[cut; read_step tells the rest]"
    return fenced(result.call.name or "action", text, **facts)


def _size(messages: Sequence[Message]) -> int:
    return sum(size_of(message) for message in messages)


def size_of(value: Any) -> int:
    """Bytes of a value as JSON in a prompt."""
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
