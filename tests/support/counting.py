"""Where coverage is counted. Counting doubles Python's time, in code that is not counted as well."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from coverage import Coverage


@contextmanager
def uncounted() -> Iterator[None]:
    """Nothing that runs meanwhile is counted; does nothing where nothing is.

    pytest-cov counts twice in xdist's workers: when the inner one is stopped, by its own mark for instance, the outer one
    goes on, for nothing.
    """
    stopped = []
    while sys.gettrace() is not None and (counting := Coverage.current()) is not None:
        counting.stop()
        stopped.append(counting)
    try:
        yield
    finally:
        for counting in reversed(stopped):
            counting.start()
