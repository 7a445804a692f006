"""What owners have to look at now, on the console's first page. Rooms above say what that is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is wrong, in words, and where it is looked at."""

    words: str
    url: str
    link: str


Source = Callable[[], Sequence[Alarm]]
_sources: list[Source] = []


def register_alarms(source: Source) -> None:
    """Have `source` asked in the platform's scope whenever the first page is opened."""
    if source not in _sources:
        _sources.append(source)


def alarms() -> list[Alarm]:
    """All that is wrong now."""
    return [alarm for source in _sources for alarm in source()]
