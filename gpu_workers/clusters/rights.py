"""What a cluster's token may do, as the cluster says: one that reaches beyond its namespace is not used."""

from __future__ import annotations

from dataclasses import dataclass

from gpu_workers.clusters.speaking import Api, ClusterError
from gpu_workers.plans.documents import mapping

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Right:
    """One thing to do to one kind of thing; without a namespace in all of them. `said` is what it comes to, in words."""

    verb: str
    group: str
    resource: str
    said: str
    namespace: str = ""


EVERYTHING = Right("*", "*", "*", "may do everything in the whole cluster")
TOO_STRONG = (
    Right("list", "", "secrets", "may read the secrets of every namespace"),
    Right("create", "", "pods", "may run pods in every namespace"),
    Right("patch", "apps", "deployments", "may change deployments in every namespace"),
    Right("create", RBAC, "clusterrolebindings", "may give rights over the whole cluster"),
    Right("escalate", RBAC, "clusterroles", "may give itself rights over the whole cluster"),
    Right("impersonate", "", "users", "may act as anybody"),
    Right("patch", "", "nodes", "may change nodes"),
    Right("create", "", "pods", "may run pods beside the cluster's own", "kube-system"),
)


async def faults(api: Api, namespace: str) -> list[str]:
    """What keeps the token from being used for `namespace`, in words. Raises ClusterError."""
    if await _may(api, EVERYTHING):
        return [EVERYTHING.said]
    found = [right.said for right in TOO_STRONG if await _may(api, right)]
    needed = Right("patch", "apps", "deployments", f"may not change deployments in {namespace}", namespace)
    return found if await _may(api, needed) else [*found, needed.said]


async def _may(api: Api, right: Right) -> bool:
    attributes = {"verb": right.verb, "group": right.group, "resource": right.resource, "namespace": right.namespace}
    asked = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
    }
    answer = await api.ask("POST", REVIEWS, asked)
    allowed = mapping(answer.data.get("status")).get("allowed")
    if not answer.ok or not isinstance(allowed, bool):
        raise ClusterError(f"The cluster does not say what the token may do: {answer.words}.")
    return allowed
