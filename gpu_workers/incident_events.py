"""What happens to incidents."""

from typing import ClassVar

from guildhall.kernel.events import Event


class IncidentOpened(Event):
    kind: ClassVar[str] = "operations.incident.opened"
    project: str
    title: str
    severity: str

    def sentence(self) -> str:
        return f"opened the incident “{self.title}” in {self.project}"


class EvidenceAdded(Event):
    kind: ClassVar[str] = "operations.incident.evidence_added"
    name: str
    evidence_kind: str
    lines: int

    def sentence(self) -> str:
        return f"brought {self.name} to {self.subject.replace(':', ' ')}"


class TriageAsked(Event):
    kind: ClassVar[str] = "operations.incident.triage_asked"
    number: int

    def sentence(self) -> str:
        return f"asked for a triage of {self.subject.replace(':', ' ')}"


class IncidentTriaged(Event):
    kind: ClassVar[str] = "operations.incident.triaged"
    report: int
    part: str
    cited: int

    def sentence(self) -> str:
        return f"named {self.part} as what failed in {self.subject.replace(':', ' ')}, and proposed a remedy"


class RemedySettled(Event):
    """A person's answer, or that there is none any more. An accepted remedy is not carried out by the platform."""

    kind: ClassVar[str] = "operations.incident.remedy_settled"
    report: int
    state: str
    approval: int

    def sentence(self) -> str:
        return f"kept that the remedy for {self.subject.replace(':', ' ')} is {self.state}"


class IncidentClosed(Event):
    kind: ClassVar[str] = "operations.incident.closed"
    note: str

    def sentence(self) -> str:
        return f"closed {self.subject.replace(':', ' ')}: {self.note}"
