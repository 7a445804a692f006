"""Calls of git that end with what they are made for: a run that is stopped, a hand-in that is taken back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_stop: ContextVar[threading.Event | None] = ContextVar("git_stop", default=None)


class GitStopped(Exception):
    """What git was called for is to end: git was ended with it. That says nothing of the repository."""


@contextmanager
def stopping_with(stop: threading.Event) -> Iterator[None]:
    """Within it, and in this thread, git is ended as soon as `stop` is set."""
    with _asked_of(stop):
        yield


@contextmanager
def to_the_end() -> Iterator[None]:
    """Within it git is not ended: something has happened elsewhere by then, and is to be known here."""
    with _asked_of(None):
        yield


@contextmanager
def _asked_of(stop: threading.Event | None) -> Iterator[None]:
    before = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(before)


def refuse_stopped() -> None:
    """Raises GitStopped where git is to go no further."""
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise GitStopped("It was stopped in the middle of a call of git.")
