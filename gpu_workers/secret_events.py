"""What happens to the secrets that are kept for repositories and projects."""

from typing import ClassVar

from guildhall.kernel.events import Event


class SecretRead(Event):
    """A kept secret was opened for use. `what` names it and `purpose` says what for; the value is nowhere."""

    kind: ClassVar[str] = "delivery.secret.read"
    what: str
    purpose: str

    def sentence(self) -> str:
        return f"read the {self.what} of {self.subject.replace(':', ' ')} for {self.purpose}"
