"""What happens to proposals about a backlog."""

from typing import ClassVar

from guildhall.kernel.events import Event


class ProposalAsked(Event):
    kind: ClassVar[str] = "planning.proposal.asked"
    project: str
    proposal_kind: str

    def sentence(self) -> str:
        return f"asked an agent for {_words(self.proposal_kind)} of {self.project}"


class ProposalMade(Event):
    kind: ClassVar[str] = "planning.proposal.made"
    project: str
    proposal_kind: str

    def sentence(self) -> str:
        return f"proposed {_words(self.proposal_kind)} of {self.project}"


class ProposalFailed(Event):
    kind: ClassVar[str] = "planning.proposal.failed"
    reason: str

    def sentence(self) -> str:
        return f"came to nothing with {self.subject.replace(':', ' ')}: {self.reason}"


class ProposalDecided(Event):
    kind: ClassVar[str] = "planning.proposal.decided"
    project: str
    proposal_kind: str
    decision: str
    feedback: str

    def sentence(self) -> str:
        return f"{self.decision} {_words(self.proposal_kind)} of {self.project}"


class ProposalCarriedOut(Event):
    """`done` and `refused` count its entries."""

    kind: ClassVar[str] = "planning.proposal.carried_out"
    done: int
    refused: int

    def sentence(self) -> str:
        return f"carried {self.subject.replace(':', ' ')} out: {self.done} done, {self.refused} refused"


WORDS = {
    "order": "an order of the backlog",
    "sprint": "a sprint plan",
    "roadmap": "a roadmap",
    "issues": "an import of issues",
}


def _words(kind: str) -> str:
    return WORDS.get(kind, kind)
