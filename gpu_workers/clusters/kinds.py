"""Which kinds of objects a plan may hold: Kubernetes' own that stay in a namespace, and what an admin listed. Pure.

An object of another kind is an order to a controller, which may have rights over the whole cluster: what an Application, a
HelmRelease or a Workflow comes to is decided elsewhere, whatever namespace it lies in.
"""

from __future__ import annotations

import re
from collections.abc import Collection

OWN = frozenset(
    {
        "ConfigMap", "LimitRange", "PersistentVolumeClaim", "Pod", "ResourceQuota", "Secret", "Service", "ServiceAccount",
        "DaemonSet.apps", "Deployment.apps", "ReplicaSet.apps", "StatefulSet.apps",
        "CronJob.batch", "Job.batch",
        "HorizontalPodAutoscaler.autoscaling",
        "PodDisruptionBudget.policy",
        "Ingress.networking.k8s.io", "NetworkPolicy.networking.k8s.io",
        "Role.rbac.authorization.k8s.io", "RoleBinding.rbac.authorization.k8s.io",
    }
)  # fmt: skip
"""As the cluster itself writes them: the kind, and the group that it is of."""
FORM = re.compile(r"[A-Z][A-Za-z0-9]{0,62}(?:\.[a-z0-9](?:[a-z0-9.-]{0,98}[a-z0-9])?)?")
LONGEST, MOST = 164, 40


def kind_named(version: str, kind: str) -> str:
    """A kind by its name and group, whatever the version: `Deployment.apps`, `Pod`."""
    group, slash, _ = version.partition("/")
    return f"{kind}.{group}" if slash else kind


def foreign(version: str, kind: str, also: Collection[str]) -> str:
    """Why objects of this kind are not applied, or ""."""
    named = kind_named(version, kind)
    if named in OWN or named in also:
        return ""
    return f"is of the kind {named[:LONGEST]!r}, which may reach beyond the namespace; an admin can list it with the cluster"


def wrong_in(kinds: Collection[str]) -> str:
    """What is wrong with a list of kinds, or ""."""
    if len(kinds) > MOST or not all(len(one) <= LONGEST and FORM.fullmatch(one) for one in kinds):
        return f"Give at most {MOST} kinds with their group, as kubectl does: Certificate.cert-manager.io."
    return ""
