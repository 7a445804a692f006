"""What happens in a council, in words. The subject of each is the council."""

from typing import ClassVar

from guildhall.kernel.events import Event

PHASE_WORDS = {"proposal": "proposals", "critique": "critiques", "revision": "revisions", "score": "scores"}


class CouncilConvened(Event):
    kind: ClassVar[str] = "deliberation.convened"
    story: str
    about: str
    agents: list[str]

    def sentence(self) -> str:
        return (
            f"called {self.subject.replace(':', ' ')} of {len(self.agents)} agents on the {self.about} of {self.story}"
        )


class DeliberationEntered(Event):
    kind: ClassVar[str] = "deliberation.phase_entered"
    story: str
    phase: str

    def sentence(self) -> str:
        return f"{self.subject.replace(':', ' ')} came to its {PHASE_WORDS.get(self.phase, self.phase)}"


class ContributionMade(Event):
    """`letter` and `about` are seats' letters; the text is in the council, not here."""

    kind: ClassVar[str] = "deliberation.message"
    story: str
    phase: str
    letter: str
    about: str = ""
    valid: bool = True
    tokens: int = 0

    def sentence(self) -> str:
        target = f" on {self.about}" if self.about else ""
        done = "gave" if self.valid else "gave no usable"
        return f"{done} {self.phase}{target} as {self.letter} in {self.subject.replace(':', ' ')}"


class DeliberationCompleted(Event):
    kind: ClassVar[str] = "deliberation.completed"
    story: str
    about: str
    winner: str
    agent: str
    mean: str
    decision: str
    verdict: str

    def sentence(self) -> str:
        return f"{self.subject.replace(':', ' ')} chose proposal {self.winner} ({self.mean} of 10) for {self.story}"


class DeliberationStopped(Event):
    kind: ClassVar[str] = "deliberation.stopped"
    story: str
    about: str
    reason: str

    def sentence(self) -> str:
        return f"{self.subject.replace(':', ' ')} came to no result: {self.reason}"


class CouncilWaived(Event):
    kind: ClassVar[str] = "deliberation.waived"
    story: str
    about: str
    reason: str

    def sentence(self) -> str:
        return f"let {self.story} go on without {self.subject.replace(':', ' ')}: {self.reason}"
