"""Calendar windows in UTC. Pure; no Django."""

from datetime import datetime, timedelta

from governance.scopes import Window

_LENGTH = {Window.HOUR: timedelta(hours=1), Window.DAY: timedelta(days=1)}


def window_end(window: str, start: datetime) -> datetime | None:
    """When the window that began at `start` ends; None for the total, which never does."""
    length = _LENGTH.get(Window(window))
    return start + length if length else None
