"""One tenant with a story that waits for approval, for all tests of pages that only look."""

from collections.abc import Callable

import pytest

from tests.story.scripts import bugfix
from tests.story.test_bugfix_story import STORY
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model


@pytest.fixture(scope="session")
def told(make_tenant: Callable[..., TestTenant]) -> World:
    """A story whose task was written, fixed, reviewed and tested, and waits for its product owner."""
    world = World.build(make_tenant(), "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with scripted_model(bugfix()):
        world.story(**STORY, client_visible=False)
        world.settle()
    return world
