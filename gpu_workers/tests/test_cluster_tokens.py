"""What is applied acts as listed accounts alone: nothing brings the token of another, or grows in what acts as another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpu_workers.actions.clusters import forget_cluster
from gpu_workers.clusters.connecting import connect
from gpu_workers.models import ProjectCluster
from gpu_workers.tests.cluster_ground import Shop, shop_of, why_not
from gpu_workers.tests.plan_ground import plan
from gpu_workers.tests.test_plans import DEPLOYMENT
from tests.fakes.kubernetes import SPACE
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(tenant: TestTenant, tmp_path: Path, settings: Any) -> Iterator[Shop]:
    settings.TOOL_NETWORKS = "127.0.0.0/8"
    with shop_of(tenant, tmp_path) as made:
        yield made


def handed(*parts: str) -> str:
    """A deployment with more in the spec of its pods."""
    return DEPLOYMENT.replace("    spec:\n", "".join(["    spec:\n", *(f"      {part}\n" for part in parts)]))


READING = [
    handed("volumes: [{name: a, secret: {secretName: theirs}}]"),
    handed("volumes: [{name: a, projected: {sources: [{secret: {name: theirs}}]}}]"),
    handed("volumes: [{name: a, csi: {driver: x, nodePublishSecretRef: {name: theirs}}}]"),
    handed("imagePullSecrets: [{name: theirs}]"),
    DEPLOYMENT.replace("{name: web, image", "{env: [{name: A, valueFrom: {secretKeyRef: {name: theirs}}}], name: web, image"),
    DEPLOYMENT.replace("{name: web, image", "{envFrom: [{secretRef: {name: theirs}}], name: web, image"),
    "apiVersion: x/v1\nkind: Rollout\nmetadata: {name: a}\nspec: {on: [{tokenSecrets: [theirs]}]}\n",
]  # fmt: skip
"""Ways in which an object hands a Secret on."""


def token_of(account: str) -> dict[str, Any]:
    notes = {"kubernetes.io/service-account.name": account}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "theirs", "namespace": SPACE, "annotations": notes},
        "type": "kubernetes.io/service-account-token",
        "data": {"token": "dGhlaXJz"},
    }


def test_no_token_of_an_account_that_no_admin_listed_is_handed_on(shop: Shop) -> None:
    ctx = shop.start({"deploy/web.yaml": READING[0]})
    said = "reads the Secret 'theirs', a token of the service account 'deployer' (accepted: default, builder;"
    early = plan(ctx, "kubernetes_plan", folder="deploy")
    assert early.plan is not None
    shop.kube.put("secrets", "theirs", token_of("deployer"))
    refused = shop.apply(early)
    assert (refused.ok, said in refused.text) == (False, True), "there was no such Secret when it was planned"
    for text in READING:
        shop.ground.write({"deploy/web.yaml": text})
        assert said in why_not(plan(ctx, "kubernetes_plan", folder="deploy")), text
    asked = [line for line in shop.kube.journal if "/secrets/theirs" in line]
    assert set(asked) == {"GET /api/v1/namespaces/shop/secrets/theirs?metadata"}, "no value is sent to us"
    shop.ground.write({"deploy/web.yaml": READING[0]})
    shop.kube.unread = {"secrets"}
    assert "'theirs', of which the token may not ask whose it is" in why_not(
        plan(ctx, "kubernetes_plan", folder="deploy")
    )
    shop.kube.unread = set()
    shop.kube.objects.clear()
    shop.kube.put("secrets", "theirs", token_of("builder"))
    assert shop.kube.changed() == []
    assert shop.apply(plan(ctx, "kubernetes_plan", folder="deploy")).ok


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({"serviceAccountName": "deployer"}, "runs as the service account 'deployer' (accepted: default, builder;"),
        ({"volumes": [{"name": "a", "secret": {"secretName": "theirs"}}]}, "reads the Secret 'theirs', a token of"),
        ({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, "has a path of the host, which reaches beyond"),
    ],
)
def test_nothing_is_added_to_what_others_gave_an_account_a_token_or_the_host(
    shop: Shop, theirs: dict[str, Any], said: str
) -> None:
    shop.kube.put("secrets", "theirs", token_of("deployer"))
    ctx = shop.start({"deploy/web.yaml": DEPLOYMENT})
    early = plan(ctx, "kubernetes_plan", folder="deploy")
    body = {"metadata": {"name": "web", "namespace": SPACE}, "spec": {"template": {"spec": theirs}}}
    shop.kube.put("deployments", "web", {"apiVersion": "apps/v1", "kind": "Deployment", **body})
    assert f"Deployment/web: refused: it {said}" in why_not(plan(ctx, "kubernetes_plan", folder="deploy"))
    for again in (False, True):
        refused = shop.apply(early, again=again)
        assert (refused.ok, said in refused.text) == (False, True)
    assert shop.kube.changed() == []


def test_an_account_that_is_listed_no_more_is_none_to_apply_as(shop: Shop) -> None:
    ctx = shop.start({"deploy/web.yaml": handed("serviceAccountName: builder")})
    found = plan(ctx, "kubernetes_plan", folder="deploy")
    forget_cluster(actor=shop.admin, cluster=ProjectCluster.objects.get())
    connect(actor=shop.admin, wish=shop.wish())
    for again in (False, True):
        refused = shop.apply(found, again=again)
        said = (
            "Nothing was applied. Deployment/web runs as the service account 'builder' (accepted: default; an admin can"
        )
        assert (refused.ok, refused.text.startswith(said)) == (False, True), "before the cluster is asked"
    assert shop.kube.changed() == []
    forget_cluster(actor=shop.admin, cluster=ProjectCluster.objects.get())
    connect(actor=shop.admin, wish=shop.wish("builder"))
    assert shop.apply(found).ok
