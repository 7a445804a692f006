"""What stories at GitHub share: GitHub itself, and a tenant with a repository there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpu_workers.forges.connecting import Wish, connect
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.github import FULL_NAME, TOKEN, GitHubServer
from tests.support.tenants import TestTenant
from tests.support.world import World


@pytest.fixture
def hub(tmp_path: Path, settings: Any) -> Iterator[GitHubServer]:
    settings.FORGE_LOOPBACK = True
    with GitHubServer(tmp_path / "hub") as server:
        server.start({"till.py": b"total = 1\n"})
        yield server


@pytest.fixture
def world(tenant: TestTenant, hub: GitHubServer) -> World:
    """Two repositories: `shop`, which is built in, and `till`, which is at GitHub."""
    world = World.build(tenant, "SHOP", {"shop.py": b"open = True\n"}, "true")
    with tenant_scope(tenant.schema):
        wish = Wish("till", FULL_NAME, TOKEN, "true", hub.url, requires_checks=False)
        connect(actor=tenant.actor("admin"), wish=wish)
    return world
