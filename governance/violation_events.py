"""What happens with violations, in words."""

from typing import ClassVar

from guildhall.kernel.events import Event


class ViolationRecorded(Event):
    """An agent broke a rule. `effect` is blocked, redacted or stopped; `about` is the run that it was in."""

    kind: ClassVar[str] = "governance.violation.recorded"
    number: int
    violation_kind: str
    effect: str
    agent: str
    about: str
    rule: str
    what: str

    def sentence(self) -> str:
        return f"broke a rule in {self.about.replace(':', ' ')} ({self.effect}): {self.what}"


class ViolationJudged(Event):
    """A person looked at a violation. `verdict` is acknowledged or false_positive."""

    kind: ClassVar[str] = "governance.violation.judged"
    number: int
    verdict: str
    agent: str
    note: str

    def sentence(self) -> str:
        words = {"acknowledged": "acknowledged", "false_positive": "called a false positive:"}
        return f"{words.get(self.verdict, self.verdict)} violation #{self.number}"
