"""Naming the cluster that plans of a project are applied to, and taking it away."""

from django.db import IntegrityError, transaction

from gpu_workers.cluster_events import ClusterConnected, ClusterForgotten
from gpu_workers.models import ProjectCluster
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict


@governed("cluster.connect", lock=None)
def connect_cluster(*, actor: Actor, project: str, api_url: str, namespace: str, ca: str, token: str) -> ProjectCluster:
    """Write down a cluster that was tried. `token` is sealed already. Raises `Conflict` where the project has one."""
    try:
        with transaction.atomic():
            row = ProjectCluster.objects.create(
                project=project, api_url=api_url, namespace=namespace, ca=ca, token=token
            )
    except IntegrityError as error:
        raise Conflict(f"{project} has a cluster; take that away first.") from error
    record(ClusterConnected(subject=row.ref, place=row.place), actor=actor)
    return row


@governed("cluster.forget", lock="cluster")
def forget_cluster(*, actor: Actor, cluster: ProjectCluster) -> None:
    """Take the cluster away; what was kept of its token is gone. What was applied to it stays there."""
    record(ClusterForgotten(subject=cluster.ref, place=cluster.place), actor=actor)
    cluster.delete()
