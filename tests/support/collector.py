"""Pytest plugin: the collector of cycles rests while everything is loaded, and leaves that alone afterwards.

Nearly all that is loaded stays until the end. To look through it while it grows is a quarter of loading, and of each test
some hundredths.
"""

import gc
from collections.abc import Generator

import pytest

THRESHOLDS = (10_000, 20, 20)
"""New objects until the collector comes, and how often until it takes the older ones as well."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    """Django and its apps."""
    return (yield from _at_rest())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """All tests; xdist's controller has none."""
    found = yield from _at_rest()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    return found


def _at_rest() -> Generator[None, object, object]:
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
