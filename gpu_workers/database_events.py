"""What happens to the databases that projects name."""

from typing import ClassVar

from guildhall.kernel.events import Event


class DatabaseConnected(Event):
    """`place` is host, port and name, without the login."""

    kind: ClassVar[str] = "delivery.database.connected"
    place: str
    schemas: list[str]

    def sentence(self) -> str:
        return f"let agents of {self.subject.replace(':', ' ')} read {', '.join(self.schemas)} at {self.place}"


class DatabaseForgotten(Event):
    kind: ClassVar[str] = "delivery.database.forgotten"
    place: str

    def sentence(self) -> str:
        return f"took the database {self.place} from {self.subject.replace(':', ' ')}"
