"""Tests that try things at random draw from one seed, the same in every run: whether they pass is no matter of luck.

GUILDHALL_TEST_SEED is another seed, to try more: a number, or `any` for one that nobody knows before. A test that fails
says which one it had.
"""

import os
import random

import pytest

SEED = "GUILDHALL_TEST_SEED"
USUAL, ANY = 20_261_122, "any"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """What a test begins its dice with."""
    asked = os.environ.get(SEED, str(USUAL))
    drawn = random.SystemRandom().randrange(2**32) if asked == ANY else int(asked)
    request.node.add_report_section("setup", "seed", f"{SEED}={drawn}")
    return drawn
