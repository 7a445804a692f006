"""A project's cluster: tried, sealed, of one tenant, spoken with only where it proves itself, by a token of one namespace."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gpu_workers.actions.clusters import forget_cluster
from gpu_workers.clusters.connecting import Wish, cluster_of, connect
from gpu_workers.forges.vault import Opening
from gpu_workers.models import ProjectCluster
from guildhall.kernel.errors import Conflict, Denied, Invalid, Unavailable
from guildhall.kernel.redaction import redact
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.certificates import Authority
from tests.fakes.kubernetes import ADMIN, SPACE, TOKEN, Kubernetes
from tests.support.evidence import secret_reads as reads
from tests.support.evidence import trail
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[Kubernetes]:
    with Kubernetes(tmp_path) as server:
        yield server


def wish_of(kube: Kubernetes, **other: Any) -> Wish:
    return replace(Wish("SHOP", kube.url, SPACE, TOKEN, kube.ca), **other)


def test_a_cluster_is_tried_sealed_and_of_one_tenant(
    make_tenant: Callable[..., TestTenant], kube: Kubernetes, settings: Any
) -> None:
    tenant, other = make_tenant(), make_tenant()
    with tenant_scope(tenant.schema):
        admin = tenant.actor("admin")
        with pytest.raises(Invalid):
            connect(actor=admin, wish=wish_of(kube))
        assert kube.journal == [], "a private address is not called before the installation opens it"
        settings.TOOL_NETWORKS = "127.0.0.0/8"
        with pytest.raises(Denied):
            connect(actor=tenant.actor("devops"), wish=wish_of(kube))
        row = connect(
            actor=admin, wish=wish_of(kube, ca=f"{kube.ca}\n-----BEGIN OTHER-----\nc2VjcmV0\n-----END OTHER-----\n")
        )
        assert (TOKEN in row.token, b"secret" in base64.b64decode(row.ca)) == (False, False)
        assert TOKEN not in redact(f"the token is {TOKEN}")
        with pytest.raises(Conflict):
            connect(actor=admin, wish=wish_of(kube))
        assert reads() == [], "nothing was opened yet"
        opening = Opening(tenant.agent("devops", "wren"), "applying a plan of run 4")
        assert cluster_of(row, opening).token == TOKEN
        assert reads() == [("project:SHOP", "agent:wren", "cluster's token", "applying a plan of run 4")]
        assert TOKEN not in trail()
        with pytest.raises(Denied):
            forget_cluster(actor=tenant.actor("developer"), cluster=row)
    with tenant_scope(other.schema):
        copied = ProjectCluster.objects.create(
            project="SHOP", api_url=row.api_url, namespace=SPACE, ca=row.ca, token=row.token
        )
        with pytest.raises(Unavailable):
            cluster_of(copied, Opening(other.agent("devops", "wren"), "a look"))
        assert reads() == [], "nothing was opened"
    with tenant_scope(tenant.schema):
        forget_cluster(actor=admin, cluster=row)
        assert not ProjectCluster.objects.exists()


def test_no_server_that_is_odd_or_not_the_one_meant_is_kept(
    tenant: TestTenant, kube: Kubernetes, settings: Any, tmp_path: Path
) -> None:
    settings.TOOL_NETWORKS = "127.0.0.0/8"
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").certificate
    with tenant_scope(tenant.schema):
        admin = tenant.actor("admin")
        for wrong, said in (
            ({"ca": stranger}, "does not prove itself"),
            ({"api_url": kube.url.replace("127.0.0.1", "127.0.0.2")}, "cannot be reached|does not prove itself"),
            ({"token": "fake-token-that-nobody-gave-out"}, "does not accept the token"),
        ):
            with pytest.raises(Unavailable, match=said):
                connect(actor=admin, wish=wish_of(kube, **wrong))
        for mood, said in (
            ("elsewhere", "sends us elsewhere"),
            ("garbage", "no object of Kubernetes"),
            ("endless", "larger than"),
            ("silent", "cannot be asked"),
            ("500", "cannot answer now: it is odd today"),
            ("429", "cannot answer now"),
            ("403", "no API server"),
        ):
            kube.mood = mood
            with pytest.raises(Unavailable, match=said):
                connect(actor=admin, wish=wish_of(kube))
        assert not [line for line in kube.journal if "/elsewhere" in line], "no token goes where it is sent"
        unusable: tuple[tuple[dict[str, Any], str], ...] = (
            ({"api_url": kube.url.replace("https", "http")}, "api_url"),
            ({"api_url": f"{kube.url}/?x=1"}, "api_url"),
            ({"api_url": "https://user:word@kube.example"}, "api_url"),
            ({"namespace": "Shop"}, "namespace"),
            ({"namespace": "kube-system"}, "namespace"),
            ({"namespace": "shop/../kube-system"}, "namespace"),
            ({"token": "with a\nline"}, "token"),
            ({"ca": "no certificate"}, "ca"),
            ({"ca": kube.ca[:200]}, "ca"),
            ({"ca": kube.ca * 1000}, "ca"),
            ({"kinds": ["Certificate"] * 41}, "kinds"),
            ({"kinds": ["certificates.cert-manager.io"]}, "kinds"),
            ({"kinds": ["*"]}, "kinds"),
            ({"kinds": ["Certificate.cert-manager.io/v1"]}, "kinds"),
            ({"accounts": ["builder"] * 21}, "accounts"),
            ({"accounts": ["system:serviceaccount:till:builder"]}, "accounts"),
            ({"accounts": ["*"]}, "accounts"),
        )
        for wrong, field in unusable:
            with pytest.raises(Invalid) as caught:
                connect(actor=admin, wish=wish_of(kube, **wrong))
            assert field in caught.value.fields, wrong
        assert not ProjectCluster.objects.exists()


def test_a_token_that_reaches_beyond_its_namespace_or_does_nothing_in_it_is_refused(
    tenant: TestTenant, kube: Kubernetes, settings: Any
) -> None:
    settings.TOOL_NETWORKS = "127.0.0.0/8"
    kube.tokens["fake-token-of-two-namespaces"] = {SPACE, "kube-system"}
    kube.tokens["fake-token-of-another-one"] = {"till"}
    with tenant_scope(tenant.schema):
        for token, said in (
            (ADMIN, "may do everything in the whole cluster"),
            ("fake-token-of-two-namespaces", "may run pods beside the cluster's own"),
            ("fake-token-of-another-one", "may not change deployments in shop"),
        ):
            with pytest.raises(Invalid) as caught:
                connect(actor=tenant.actor("admin"), wish=wish_of(kube, token=token))
            assert caught.value.fields == {"token": [f"This token {said}."]}
        assert not ProjectCluster.objects.exists()
