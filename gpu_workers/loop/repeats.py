"""Noticing that an agent goes round: the same call again, with nothing else in between or with nothing come of it."""

import json
from collections import Counter
from dataclasses import dataclass, field

from gpu_workers.loop.protocols import Observation, ToolCall


@dataclass
class Repeats:
    """Counts calls. Tests that run again after every edit are no repetition; a file read over and over is one."""

    _outcomes: Counter[str] = field(default_factory=Counter)
    _latest: str = ""
    _in_a_row: int = 0

    def count(self, call: ToolCall, observation: Observation) -> int:
        """How often this call came: in a row, or with this very result on this very state, whichever is more."""
        asked = json.dumps([call.name, call.arguments, call.problem], sort_keys=True)
        self._in_a_row = self._in_a_row + 1 if asked == self._latest else 1
        self._latest = asked
        outcome = json.dumps([asked, observation.ok, observation.text, observation.state])
        self._outcomes[outcome] += 1
        return max(self._in_a_row, self._outcomes[outcome])
