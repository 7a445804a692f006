"""A project with a cluster and a workspace, in which plans are made and applied as a run does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpu_workers.applying.orders import Order
from gpu_workers.applying.plans import Applicable, Kept, kept_in
from gpu_workers.clusters.applying import ClusterApplier, look_for
from gpu_workers.clusters.connecting import Wish, connect
from gpu_workers.forges.vault import Opening
from gpu_workers.tests.plan_ground import Ground, ground_for_plans
from gpu_workers.tools import ToolContext, ToolResult
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.kubernetes import SPACE, TOKEN, Kubernetes
from tests.support.tenants import TestTenant

LISTED = ("Wonder", "Namespace", "Rollout.x")
"""Kinds that an admin let in: what the cluster itself says of them, and what they hold, is looked at all the same."""


@dataclass
class Shop:
    """A project with a cluster, a workspace to plan in, and whoever applies."""

    ground: Ground
    kube: Kubernetes
    opening: Opening
    admin: Actor

    def wish(self, *accounts: str) -> Wish:
        return Wish("SHOP", self.kube.url, SPACE, TOKEN, self.kube.ca, LISTED, accounts)

    def start(self, files: dict[str, str]) -> ToolContext:
        ctx = self.ground.start({"README.md": "x", **files})
        return replace(ctx, cluster=look_for("SHOP", self.opening, None))

    def apply(self, found: ToolResult | Applicable, *, again: bool = False, **other: Any) -> ToolResult:
        """As it is kept in between: in a step's answer."""
        made = found.plan if isinstance(found, ToolResult) else found
        assert made is not None
        assert not made.why_not
        kept = kept_in({"plan": Kept(made, "c" * 40).as_data()})
        assert kept is not None
        applier = ClusterApplier(made.kind)
        place, login = applier.place("SHOP"), applier.login("SHOP")
        order = Order("SHOP", "executor.1.1", kept.plan, kept.commit_sha, "till:main", place, login)
        return applier.apply(replace(order, **other), self.opening, again=again, cancel=None)


@contextmanager
def shop_of(tenant: TestTenant, folder: Path) -> Iterator[Shop]:
    """A new one, within the tenant; `builder` is listed with its cluster."""
    with ground_for_plans() as ground, Kubernetes(folder) as kube, tenant_scope(tenant.schema):
        shop = Shop(ground, kube, Opening(tenant.agent("devops", "wren"), "a plan"), tenant.actor("admin"))
        connect(actor=shop.admin, wish=shop.wish("builder"))
        kube.journal.clear()
        yield shop


def why_not(found: ToolResult) -> str:
    assert found.ok, found.text
    assert found.plan is not None
    assert found.plan.parts == ()
    return found.plan.why_not
