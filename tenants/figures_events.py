"""What owners look at in organisations."""

from typing import ClassVar

from guildhall.kernel.events import Event


class FiguresRead(Event):
    """An owner read the spend and the standing of agents of these organisations (their short names)."""

    kind: ClassVar[str] = "tenancy.figures.read"
    slugs: list[str]

    def sentence(self) -> str:
        return f"read costs and standings of {', '.join(self.slugs)}"
