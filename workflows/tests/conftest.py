from collections.abc import Iterator

import pytest

from tests.support.tenants import TestTenant
from workflows.ports import register_commit_judge, register_merge_binding
from workflows.tests.world import World


@pytest.fixture
def world(tenant: TestTenant) -> Iterator[World]:
    """A project in a fresh committed tenant, whose commits are judged by the test."""
    made = World(tenant)
    judge, binding = register_commit_judge(made.ci.judge), register_merge_binding(None)
    yield made
    register_commit_judge(judge)
    register_merge_binding(binding)
