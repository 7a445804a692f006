"""What a fork must not take along: a pool whose threads stay behind, and a lock that nobody will ever open."""

import os
import threading
import time
from pathlib import Path
from typing import Any

from django.db.backends.postgresql.base import DatabaseWrapper

TASKS = Path("/proc/self/task")
PATIENCE_SECONDS = 1.0

_inherited: list[dict[str, Any]] = []
_lasting: set[int] = set()
"""Threads that Python did not start and that outlived the patience once: waited for no more."""


def _leave_pools_to_the_parent() -> None:
    """A pool's threads do not come along into a fork, where it would be waited for in vain. Another thread of the parent may
    have opened one a moment before. Kept out of reach, not collected: its connections are the parent's."""
    pools: dict[str, Any] = vars(DatabaseWrapper)["_connection_pools"]
    _inherited.append(dict(pools))
    pools.clear()


def _let_threads_end() -> None:
    """Wait for threads that are over for Python and not yet for the system.

    On its way out a thread that had a connection takes a lock of OpenSSL's. Forked in that moment, a child has the lock and
    not the thread, and its first connection would wait for ever.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while (ending := _ending()) and time.monotonic() < until:
        time.sleep(0.001)
    _lasting.update(ending)


def _ending() -> set[int]:
    """Ids of the process's threads that Python does not know, or no longer; none where the system does not list them."""
    try:
        there = {int(name) for name in os.listdir(TASKS)}
    except FileNotFoundError:
        return set()
    return there - {thread.native_id for thread in threading.enumerate()} - _lasting


def guard_forks() -> None:
    """Have every fork of this process do so."""
    os.register_at_fork(before=_let_threads_end, after_in_child=_leave_pools_to_the_parent)
