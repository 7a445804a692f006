"""When a service that ended is started again, and when to give up. Pure: no clock, no processes."""

from dataclasses import dataclass

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
CALM_SECONDS = 60.0
"""A run of at least this long wipes out the failures before it."""
ATTEMPTS_AT_START = 4
"""Failures in a row of a service that has never been ready, after which starting the stack is given up."""


@dataclass(frozen=True, slots=True)
class History:
    """What the policy remembers of one service."""

    failures: int = 0
    was_ready: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The next history, and the seconds until the next start; None gives up."""

    history: History
    delay: float | None


def after_exit(history: History, *, ran_for: float, once: bool) -> Verdict:
    """Decide after an end that nobody asked for. `ran_for` is seconds; a `once` service is a step that failed."""
    failures = 1 if ran_for >= CALM_SECONDS else history.failures + 1
    following = History(failures=failures, was_ready=history.was_ready)
    if once or (not history.was_ready and failures >= ATTEMPTS_AT_START):
        return Verdict(following, None)
    # Past some dozens of failures the power alone would overflow a float.
    return Verdict(following, min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 16)))
