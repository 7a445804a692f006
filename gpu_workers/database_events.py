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


class MigratorConnected(Event):
    """`place` is host, port and name, without the login."""

    kind: ClassVar[str] = "delivery.migrator.connected"
    place: str
    schemas: list[str]

    def sentence(self) -> str:
        about = self.subject.replace(":", " ")
        return (
            f"let migrations of {about} be applied to {', '.join(self.schemas)} at {self.place}, once people allow each"
        )


class MigratorForgotten(Event):
    kind: ClassVar[str] = "delivery.migrator.forgotten"
    place: str

    def sentence(self) -> str:
        return f"took the database that migrations go to, {self.place}, from {self.subject.replace(':', ' ')}"
