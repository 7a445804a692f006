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
