"""People are asked about plans of files that are merged and green, and about no other: nothing else can be applied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from governance.selectors import latest_approval
from gpu_workers.dispatch import dispatch
from gpu_workers.folders import repository_folder
from gpu_workers.models import Repository
from gpu_workers.repos import Signature
from gpu_workers.repos.git import git
from gpu_workers.repos.reading import tree_id
from gpu_workers.repos.repository import commit_tree
from gpu_workers.runs.engine import execute
from gpu_workers.tests.shop_database import Server
from gpu_workers.tests.test_applying import APPLY, END, PLAN, SHOP, Yard, script
from guildhall.kernel.tenancy import tenant_scope
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model

pytestmark = pytest.mark.integration
SOMEBODY = Signature("Somebody", "somebody@example.org")


def rewrite(head: str) -> None:
    """The same files are on the branch as another commit, as after a push by force."""
    repo = repository_folder("yard")
    anew = commit_tree(repo, tree_id(repo, head), [], "Anew", SOMEBODY, datetime(2026, 1, 2, tzinfo=UTC))
    git(repo, "update-ref", "refs/heads/main", anew)


def test_nothing_is_asked_or_applied_that_ci_is_red_on_or_that_is_not_on_the_branch(
    tenant: TestTenant, server: Server, settings: Any
) -> None:
    settings.TOOL_NETWORKS = "127.0.0.0/8"
    yard = Yard(World.build(tenant, "YARD", SHOP, "python3 ci.py"), server)
    yard.begin()
    head = yard.world.head()

    def meanwhile(boundary: str, key: str) -> None:
        if (boundary, key) == ("done", "executor.1.1"):
            Repository.objects.update(ci_command="false")
        if (boundary, key) == ("done", "executor.2.1"):
            Repository.objects.update(ci_command="python3 ci.py")
            rewrite(head)

    with scripted_model(script(PLAN, APPLY, APPLY, END)):
        for step in (dispatch, lambda: execute(1, meanwhile)):
            with tenant_scope(tenant.schema):
                step()
            relay()
            consume(tenant.schema)
    refused = f"Nothing was applied. CI is not green on the commit {head[:12]} that this was planned from."
    assert yard.said("executor.2.1") == refused
    assert f"The commit {head[:12]} is not on main" in yard.said("executor.3.1")
    with tenant_scope(tenant.schema):
        assert latest_approval(yard.run.ref, kind="deployment") is None, "nobody is asked in vain"
    assert (yard.told(), yard.has()) == ([], False)
