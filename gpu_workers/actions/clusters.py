"""Naming the cluster that plans of a project are applied to, and taking it away."""

from gpu_workers.cluster_events import ClusterConnectedV3, ClusterForgotten
from gpu_workers.connections import name_once
from gpu_workers.models import ProjectCluster
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor


@governed("cluster.connect", lock=None)
def connect_cluster(
    *,
    actor: Actor,
    project: str,
    api_url: str,
    namespace: str,
    ca: str,
    token: str,
    kinds: list[str],
    accounts: list[str],
) -> ProjectCluster:
    """Write down a cluster that was tried. `token` is sealed already. Raises `Conflict` where the project has one."""
    about = {"api_url": api_url, "namespace": namespace, "ca": ca, "token": token}
    row = name_once(ProjectCluster(project=project, **about, kinds=kinds, accounts=accounts))
    record(ClusterConnectedV3(subject=row.ref, place=row.place, kinds=kinds, accounts=accounts), actor=actor)
    return row


@governed("cluster.forget", lock="cluster")
def forget_cluster(*, actor: Actor, cluster: ProjectCluster) -> None:
    """Take the cluster away; what was kept of its token is gone. What was applied to it stays there."""
    record(ClusterForgotten(subject=cluster.ref, place=cluster.place), actor=actor)
    cluster.delete()
