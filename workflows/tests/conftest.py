from collections.abc import Iterator

import pytest

from tests.support.tenants import TestTenant
from workflows.tests.world import World


@pytest.fixture
def world(tenant: TestTenant) -> Iterator[World]:
    """A project in a fresh committed tenant, whose commits are judged by the test."""
    made = World(tenant)
    with made.judging():
        yield made
