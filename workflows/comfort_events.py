"""What people say and set beside the work: comments, labels, who is responsible, who follows, files, kept filters."""

from typing import ClassVar

from guildhall.kernel.events import Event


class CommentWritten(Event):
    """`subject` and `item` are the story or task; the words are in the comment's row, which can be deleted."""

    kind: ClassVar[str] = "planning.comment.written"
    item: str
    comment: int
    mentions: list[str] = []
    client_visible: bool = False

    def sentence(self) -> str:
        return f"commented on {self.item}"


class CommentEdited(Event):
    kind: ClassVar[str] = "planning.comment.edited"
    item: str
    comment: int

    def sentence(self) -> str:
        return f"edited a comment on {self.item}"


class CommentDeleted(Event):
    kind: ClassVar[str] = "planning.comment.deleted"
    item: str
    comment: int

    def sentence(self) -> str:
        return f"deleted a comment on {self.item}"


class LabelCreated(Event):
    kind: ClassVar[str] = "planning.label.created"
    name: str
    colour: str

    def sentence(self) -> str:
        return f"made the label “{self.name}”"


class LabelEdited(Event):
    kind: ClassVar[str] = "planning.label.edited"
    before: str
    name: str
    colour: str

    def sentence(self) -> str:
        renamed = f", which was “{self.before}”" if self.before != self.name else ""
        return f"changed the label “{self.name}”{renamed}"


class LabelDeleted(Event):
    """`into` is the label that took its place, "" when none did."""

    kind: ClassVar[str] = "planning.label.deleted"
    name: str
    into: str = ""

    def sentence(self) -> str:
        return f"merged the label “{self.name}” into “{self.into}”" if self.into else f"deleted the label “{self.name}”"


class LabelsSet(Event):
    """`subject` is the story or task; only the difference is told."""

    kind: ClassVar[str] = "planning.labels.set"
    item: str
    added: list[str]
    removed: list[str]

    def sentence(self) -> str:
        told = [f"{verb} {', '.join(names)}" for verb, names in (("put", self.added), ("took", self.removed)) if names]
        return f"{' and '.join(told)} {'on' if not self.removed else 'on or off'} {self.item}"


class StoryAssigned(Event):
    """`assignee` is a plain reference, "" for nobody."""

    kind: ClassVar[str] = "planning.story.assigned"
    story: str
    assignee: str
    name: str

    def sentence(self) -> str:
        if not self.assignee:
            return f"made nobody responsible for {self.story}"
        return f"made {self.name} responsible for {self.story}"


class WatchSet(Event):
    kind: ClassVar[str] = "planning.watch.set"
    item: str
    watching: bool

    def sentence(self) -> str:
        return f"{'follows' if self.watching else 'no longer follows'} {self.item}"


class NoticesRead(Event):
    """`subject` is the person."""

    kind: ClassVar[str] = "planning.notices.read"
    count: int

    def sentence(self) -> str:
        return f"read {self.count} line{'' if self.count == 1 else 's'} of the inbox"


class FileAttached(Event):
    kind: ClassVar[str] = "planning.file.attached"
    item: str
    attachment: int
    name: str
    size: int

    def sentence(self) -> str:
        return f"attached {self.name} to {self.item}"


class FileDeleted(Event):
    kind: ClassVar[str] = "planning.file.deleted"
    item: str
    attachment: int
    name: str
    stored: str

    def sentence(self) -> str:
        return f"deleted {self.name} from {self.item}"


class FilterSaved(Event):
    kind: ClassVar[str] = "planning.filter.saved"
    name: str
    query: str
    shared: bool

    def sentence(self) -> str:
        return f"kept the filter “{self.name}”{' for everybody' if self.shared else ''}"


class FilterDeleted(Event):
    kind: ClassVar[str] = "planning.filter.deleted"
    name: str

    def sentence(self) -> str:
        return f"deleted the filter “{self.name}”"
