"""What happens with the issue trackers that projects name."""

from typing import ClassVar

from guildhall.kernel.events import Event


class TrackerConnected(Event):
    """`place` is a repository or a team, without the token."""

    kind: ClassVar[str] = "planning.tracker.connected"
    tracker: str
    place: str

    def sentence(self) -> str:
        return f"let PM agents of {self.subject.replace(':', ' ')} work with the issues of {self.place}"


class TrackerForgotten(Event):
    kind: ClassVar[str] = "planning.tracker.forgotten"
    tracker: str
    place: str

    def sentence(self) -> str:
        return f"took the issues of {self.place} from {self.subject.replace(':', ' ')}"


class IssueImported(Event):
    """`subject` is the story that it became; `issue` is its key there."""

    kind: ClassVar[str] = "planning.issue.imported"
    tracker: str
    place: str
    issue: str

    def sentence(self) -> str:
        return f"imported {self.issue} of {self.place} as {self.subject.partition(':')[2]}"


class IssueUpdated(Event):
    """An agent is about to change an issue outside; `done` says how, in words. The run is the subject.

    Where the tracker then refuses, or the worker dies, the run's step says so: what may stand outside is never without a line.
    """

    kind: ClassVar[str] = "planning.issue.updated"
    tracker: str
    place: str
    issue: str
    done: list[str]

    def sentence(self) -> str:
        return f"{' and '.join(self.done)} {self.issue} of {self.place}"
