"""What is said about how sure agents are, in words. Shares are decimal strings from 0 to 1."""

from typing import ClassVar

from guildhall.kernel.events import Event


class ConfidenceAssessed(Event):
    kind: ClassVar[str] = "governance.confidence.assessed"
    assessment: int
    effect: str
    key: str
    run: str
    score: str
    threshold: str
    halted: bool
    reasons: list[str]

    def sentence(self) -> str:
        halted = f", below {self.threshold}: a person is asked" if self.halted else ""
        return (
            f"was {self.score} sure of its {self.effect.replace('_', ' ')} for {self.subject.partition(':')[2]}{halted}"
        )


class ConfidenceJudged(Event):
    kind: ClassVar[str] = "governance.confidence.judged"
    assessment: int
    score: str
    agreed: bool

    def sentence(self) -> str:
        return f"{'agreed' if self.agreed else 'did not agree'} with what an agent was {self.score} sure of"
