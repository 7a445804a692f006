"""What happens when somebody says something about a line of a change."""

from typing import ClassVar

from guildhall.kernel.events import Event


class ChangeRemarked(Event):
    """`commit_sha` is the change's head that the remark was made for; `side` is new or old."""

    kind: ClassVar[str] = "delivery.change.remarked"
    task: str
    remark: int
    commit_sha: str
    path: str
    side: str
    line: int

    def sentence(self) -> str:
        return f"remarked on line {self.line} of {self.path} in {self.subject.replace(':', ' ')}"


class RemarkEdited(Event):
    kind: ClassVar[str] = "delivery.change.remark_edited"
    task: str
    remark: int

    def sentence(self) -> str:
        return f"mended a remark on {self.subject.replace(':', ' ')}"


class RemarkWithdrawn(Event):
    kind: ClassVar[str] = "delivery.change.remark_withdrawn"
    task: str
    remark: int

    def sentence(self) -> str:
        return f"took a remark on {self.subject.replace(':', ' ')} back"


class RemarksRead(Event):
    """A run was told of all remarks up to `last`; they stay as they are from now on."""

    kind: ClassVar[str] = "delivery.change.remarks_read"
    task: str
    run: int
    last: int

    def sentence(self) -> str:
        return f"read the remarks on {self.subject.replace(':', ' ')} for run {self.run}"
