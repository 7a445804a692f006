"""What a kill switch stops. Rooms above register how their running work is found and fenced off."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection

from governance.views import HoldView
from guildhall.kernel.actor import Actor

LISTED = 200
"""Stopped work that an event and a hold name; beyond it they count."""


@dataclass(frozen=True, slots=True)
class Halted:
    """One piece of running work that was stopped, and the commands and model calls that it was in the middle of."""

    ref: str
    title: str
    agent: str
    commands: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "commands": list(self.commands), "calls": list(self.calls)}


Halter = Callable[[Actor, HoldView], Sequence[Halted]]
_halters: list[Halter] = []


def register_halter(halter: Halter) -> None:
    """Have `halter` called in the transaction that places a hold, after the hold itself can be seen."""
    if halter not in _halters:
        _halters.append(halter)


Remaining = Callable[[Sequence[str]], Sequence[str]]
_remaining: list[Remaining] = []


def register_remaining(remaining: Remaining) -> None:
    """Have `remaining` say which of these halted pieces of work have a worker that did not let go yet."""
    if remaining not in _remaining:
        _remaining.append(remaining)


def still_there(hold: HoldView) -> list[str]:
    """What `hold` stopped and is still ending."""
    refs = [str(one["ref"]) for one in hold.stopped]
    return [ref for remaining in _remaining for ref in remaining(refs)]


def halt(actor: Actor, hold: HoldView) -> list[Halted]:
    """Stop what `hold` concerns; what that was."""
    return [halted for halter in _halters for halted in halter(actor, hold)]


def in_words(halted: Iterable[Halted]) -> str:
    """Such as: 3 runs, in the middle of 2 commands and 1 model call."""
    listed = list(halted)
    commands, calls = sum(len(h.commands) for h in listed), sum(len(h.calls) for h in listed)
    parts = [_counted(commands, "command"), _counted(calls, "model call")]
    inside = " and ".join(part for part in parts if part)
    return (_counted(len(listed), "run") or "no run") + (f", in the middle of {inside}" if inside else "")


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}" if number else ""


def keep_holds_out() -> bool:
    """To the end of the open transaction no hold is placed: whoever begins work asks `is_held` after this.

    False, without waiting, while one is being placed: who begins has locked its work, which the hold may wait for.
    """
    return _lock("pg_try_advisory_xact_lock_shared") is True


def keep_beginners_out() -> None:
    """To the end of the open transaction no work begins; waits for what is just beginning."""
    _lock("pg_advisory_xact_lock")


def _lock(function: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended('guildhall hold ' || current_user, 0))")
        row = cursor.fetchone()
        return row[0] if row else None
