"""The clusters that projects name: tried before they are kept, sealed, and opened on behalf of an agent."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings

from gpu_workers.actions.clusters import connect_cluster
from gpu_workers.clusters.accounts import wrong_accounts
from gpu_workers.clusters.asking import FAMILY
from gpu_workers.clusters.kinds import wrong_in
from gpu_workers.clusters.rights import faults
from gpu_workers.clusters.speaking import Cluster, ClusterError, judged, speaking
from gpu_workers.connections import check_may_name
from gpu_workers.forges.addresses import Place
from gpu_workers.forges.vault import Opening, opened, seal
from gpu_workers.models import ProjectCluster
from gpu_workers.reach.bounds import networks
from gpu_workers.reach.deadline import TooLong, within
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid, Unavailable
from guildhall.kernel.redaction import keep_secret, tried_secret
from guildhall.kernel.tenancy import current_tenant, release_connection

TOKEN = "cluster's token"  # noqa: S105
NOT_CONNECTED = "The cluster was not connected."
NAMESPACE = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
OWN = re.compile(r"kube-.*")
"""Namespaces of the cluster itself."""
MAX_CA, MAX_TOKEN = 64 * 1024, 4096
TRYING_S = 30.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants connected: the API server's address, one namespace, a token of it, and the server's authority.

    `kinds` are those of objects that plans may hold besides Kubernetes' own (`Certificate.cert-manager.io`), `accounts` the
    service accounts of the namespace that pods may run as besides `default`.
    """

    project: str
    api_url: str
    namespace: str
    token: str
    ca: str
    kinds: Sequence[str] = ()
    accounts: Sequence[str] = ()


def connect(*, actor: Actor, wish: Wish) -> ProjectCluster:
    """Let people have plans of a project applied to one namespace. Raises `Invalid`, `Conflict`, `Denied`, `Unavailable`.

    The token is tried first: one that may do more than its namespace, or nothing in it, is refused with what it may do.
    """
    check_may_name(actor, "cluster.connect", ProjectCluster, wish.project)
    cluster = _usable(wish)
    place = judged(cluster.api_url, networks(settings.TOOL_NETWORKS))
    release_connection()
    try:
        with tried_secret(cluster.token):
            wrong = within(_tried(cluster, place), TRYING_S, None)
    except (ClusterError, TooLong) as away:
        raise Unavailable(str(away)) from away
    if wrong:
        told = [f"This token {fault}." for fault in wrong]
        raise Invalid("Give a token of the namespace alone.", fields={"token": told})
    keep_secret(cluster.token, tenant=current_tenant())
    return connect_cluster(
        actor=actor,
        project=wish.project,
        api_url=cluster.api_url,
        namespace=cluster.namespace,
        ca=base64.b64encode(cluster.ca).decode(),
        token=seal(cluster.token, sealed_for(wish.project)),
        kinds=sorted(set(wish.kinds)),
        accounts=sorted(set(wish.accounts)),
    )


def cluster_of(row: ProjectCluster, opening: Opening) -> Cluster:
    """The cluster, ready to be asked. Its token is opened, which is recorded as `opening` says. Raises `Unavailable`."""
    token = opened(row.token, sealed_for(row.project), subject=row.ref, what=TOKEN, opening=opening)
    return Cluster(row.api_url, row.namespace, base64.b64decode(row.ca), token)


def manager_of(project: str) -> str:
    """The name in which a project of this tenant applies: its own, so that nobody else's objects are taken for its."""
    whose = hashlib.sha256(f"{current_tenant()}\0{project}".encode()).hexdigest()
    return f"{FAMILY}{whose[:16]}"


def sealed_for(project: str) -> str:
    """What a project's token is sealed for."""
    return f"cluster of {project}"


async def _tried(cluster: Cluster, place: Place) -> list[str]:
    async with speaking(cluster, place) as api:
        version = await api.ask("GET", "/version")
        if not version.ok or "gitVersion" not in version.data:
            raise ClusterError("There is no API server of Kubernetes at this address.")
        return await faults(api, cluster.namespace)


def _usable(wish: Wish) -> Cluster:
    problems: dict[str, list[str]] = {}
    url, ca = wish.api_url.rstrip("/"), _certificates(wish.ca)
    if len(url) > 200 or not url.startswith("https://") or "?" in url:
        problems["api_url"] = ["Give an address like https://kube.example:6443, of at most 200 characters."]
    if not re.fullmatch(NAMESPACE, wish.namespace) or OWN.fullmatch(wish.namespace):
        problems["namespace"] = ["Give the name of one namespace, not one of the cluster's own (kube-…)."]
    if not 8 <= len(wish.token) <= MAX_TOKEN or not wish.token.isascii() or not wish.token.isprintable():
        problems["token"] = [f"Give a token of 8 to {MAX_TOKEN} plain characters."]
    if not ca:
        problems["ca"] = ["Give the certificate of the authority that signed the server's, in PEM."]
    if wrong := wrong_in(wish.kinds):
        problems["kinds"] = [wrong]
    if wrong := wrong_accounts(wish.accounts):
        problems["accounts"] = [wrong]
    if problems:
        raise Invalid(NOT_CONNECTED, fields=problems)
    return Cluster(url, wish.namespace, ca, wish.token)


def _certificates(pem: str) -> bytes:
    """The certificates in `pem` and nothing else of it; nothing for what has none or is too long."""
    if len(pem) > MAX_CA:
        return b""
    try:
        return b"".join(one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem.encode()))
    except ValueError:
        return b""
