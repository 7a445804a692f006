"""Redacting a text that comes in pieces: nothing is handed on before it is certain that no secret goes on behind it."""

import codecs

from guildhall.kernel.redaction import formats
from guildhall.kernel.redaction.data import MARK, redact

LONGEST_LINE = 65_536
LOOK_AHEAD = 8_192
"""Characters that wait behind what is handed on of an endless line; no known format is longer."""


class RedactedStream:
    """Feed it pieces, hand on what it gives back. Whole lines are given back, and a private key's lines never.

    A line that does not end is given back in parts, cut where no secret is cut.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = ""
        self._in_key = False

    def feed(self, piece: str | bytes) -> str:
        """What may be shown now, redacted; often nothing."""
        self._waiting += piece if isinstance(piece, str) else self._decoder.decode(piece)
        end = self._waiting.rfind("\n") + 1
        if not end and len(self._waiting) > LONGEST_LINE:
            end = self._quiet_place(len(self._waiting) - LOOK_AHEAD)
        ready, self._waiting = self._waiting[:end], self._waiting[end:]
        return self._shown(ready)

    def finish(self) -> str:
        """The rest; the stream can be used again afterwards."""
        ready, self._waiting = self._waiting + self._decoder.decode(b"", True), ""
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

    def _quiet_place(self, place: int) -> int:
        """The last white space before `place`, or `place` itself where a line has none: then it is no text with secrets
        but data, and a key in it is found on both sides of the cut or cut off at a length that opens nothing."""
        for index in range(place, max(place - LOOK_AHEAD, 0), -1):
            if self._waiting[index - 1] in " \t":
                return index
        return place
