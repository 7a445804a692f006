"""What a run knows about its task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskBrief:
    """What the task says, all of it data. `ci_output` is what red CI printed, on a fixer's round."""

    title: str
    brief: str = ""
    acceptance: tuple[str, ...] = ()
    evidence: str = ""
    ci_output: str = ""

    @property
    def text(self) -> str:
        return "\n".join((self.title, self.brief, *self.acceptance))
