"""Redacting a text that comes in pieces: nothing is handed on before it is certain that no secret goes on behind it."""

import codecs

from guildhall.kernel.redaction import formats
from guildhall.kernel.redaction.data import MARK, redact

LONGEST_LINE = 65_536
LOOK_AHEAD = 8_192
"""Characters that wait behind what is handed on of an endless line; no known format is longer."""

LINES_BELOW = 64
"""Lines below its name that a value has at most."""
INDENT = 256
"""Blanks with which a line begins, after which it is part of a value like any other."""

SHORT_LOOK_AHEAD = 96
"""Characters that wait while somebody listens word by word: more than the name of a secret and the start of its value."""


class RedactedStream:
    """Feed it pieces, hand on what it gives back. Whole lines are given back, those that give a name to a value below them
    once that has ended, and a private key's lines never.

    A line that does not end is given back in parts, cut where no secret is cut. With `by_words` that begins soon, for
    listeners of a model, who would wait for the end of a paragraph otherwise.
    """

    def __init__(self, *, by_words: bool = False) -> None:
        self._by_words = by_words
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = ""
        self._in_key = False
        self._looked: tuple[int, bool] | None = None

    def feed(self, piece: str | bytes) -> str:
        """What may be shown now, redacted; often nothing."""
        self._waiting += piece if isinstance(piece, str) else self._decoder.decode(piece)
        end = self._waiting.rfind("\n") + 1
        if end:
            end = self._end_of_values(end)
        elif len(self._waiting) > LONGEST_LINE:
            end = self._quiet_place(len(self._waiting) - LOOK_AHEAD)
        elif self._by_words and not self._in_key:
            end = self._gap_between_words()
        ready, self._waiting = self._waiting[:end], self._waiting[end:]
        return self._shown(ready)

    def finish(self) -> str:
        """The rest; the stream can be used again afterwards."""
        ready, self._waiting = self._waiting + self._decoder.decode(b"", True), ""
        self._looked = None
        shown = self._shown(ready)
        self._in_key = False
        return shown

    def _shown(self, text: str) -> str:
        parts: list[str] = []
        while text:
            if self._in_key:
                end = formats.PEM_END.search(text)
                text, self._in_key = (text[end.end() :], False) if end else ("", True)
                continue
            begin = formats.PEM_BEGIN.search(text)
            if begin is None:
                parts.append(redact(text))
                break
            parts.append(redact(text[: begin.start()]) + MARK + "\n")
            text, self._in_key = text[begin.end() :], True
        return "".join(parts)

    def _end_of_values(self, end: int) -> int:
        """The end of the whole lines, or where the first begins that gives a name to a value which may go on; what is too
        long for one waits for nothing."""
        if len(self._waiting) > LONGEST_LINE:
            return end
        begun = self._waiting[end : end + INDENT]
        looked = (end, len(begun) == INDENT or bool(begun.strip(" \t\r+-")))
        if looked == self._looked:
            # No line has ended since, and this one goes on as it began.
            return 0
        begin = self._open_value(end)
        self._looked = (end - begin, looked[1]) if begin < end else None
        return begin

    def _open_value(self, end: int) -> int:
        first = end
        for _ in range(LINES_BELOW + 1):
            first = self._waiting.rfind("\n", 0, max(first - 1, 0)) + 1
        folded = self._waiting[first:].lower()
        if not any(name in folded for name in formats.HINTS):
            return end
        found = (one.search(self._waiting, first) for one in (formats.OPEN_BELOW, formats.OPEN_PAIR))
        return min((self._waiting.rfind("\n", 0, one.start()) + 1 for one in found if one), default=end)

    def _quiet_place(self, place: int) -> int:
        """The last white space before `place`, or `place` itself where a line has none: then it is no text with secrets
        but data, and a key in it is found on both sides of the cut or cut off at a length that opens nothing."""
        for index in range(place, max(place - LOOK_AHEAD, 0), -1):
            if self._waiting[index - 1] in " \t":
                return index
        return place

    def _gap_between_words(self) -> int:
        """The last white space far enough from the end at which a cut changes nothing of what is redacted; 0 for none."""
        text = self._waiting
        if "-----" in text or len(text) > LOOK_AHEAD:
            return 0
        whole, place = redact(text), len(text) - SHORT_LOOK_AHEAD
        while (place := text.rfind(" ", 0, max(place, 0))) > 0:
            if redact(text[: place + 1]) + redact(text[place + 1 :]) == whole:
                return place + 1
        return 0
