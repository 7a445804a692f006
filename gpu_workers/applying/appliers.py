"""What carries plans out, by the tool that agents call for it."""

from __future__ import annotations

from collections.abc import Mapping

from gpu_workers.applying.database import DatabaseApplier
from gpu_workers.applying.orders import Applier
from gpu_workers.clusters.applying import ClusterApplier

APPLIERS: Mapping[str, Applier] = {
    "migrate_apply": DatabaseApplier(),
    "kubernetes_apply": ClusterApplier("kubernetes"),
    "helm_apply": ClusterApplier("helm"),
}
"""Name of the tool -> what it applies with."""


def targets_of(project: str) -> frozenset[str]:
    """The kinds of plans that a project names a place for."""
    return frozenset(applier.kind for applier in APPLIERS.values() if applier.place(project))
