"""Kubernetes manifests as parts: objects with what they run, publish and may do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gpu_workers.plans.documents import YamlError, documents, listing, mapping
from gpu_workers.plans.parts import Part, host_path_risks, image_risks, secret_risks, short
from gpu_workers.plans.risks import Risk

TEMPLATE = ("template", "spec")
PODS: Mapping[str, tuple[str, ...]] = {
    "Pod": (),
    "Deployment": TEMPLATE,
    "StatefulSet": TEMPLATE,
    "DaemonSet": TEMPLATE,
    "ReplicaSet": TEMPLATE,
    "Job": TEMPLATE,
    "CronJob": ("jobTemplate", "spec", *TEMPLATE),
}
"""Where the specification of pods lies below the object's own."""
SHARED = ("hostNetwork", "hostPID", "hostIPC")
RULING = ("Role", "ClusterRole")
DANGEROUS = {"ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "NET_ADMIN", "DAC_READ_SEARCH", "SYS_RAWIO", "BPF"}


def is_manifest(text: str) -> bool:
    """Whether a YAML file looks like one: templates of Helm and values of other programs do not."""
    return "apiVersion:" in text and "kind:" in text and "{{" not in text


def objects(text: str) -> dict[str, Part]:
    """The objects of one file by `Kind/namespace/name`, as parts. Raises YamlError for what is no manifest."""
    return parts(bodies(text))


def parts(given: Mapping[str, Mapping[str, Any]]) -> dict[str, Part]:
    return {place: part_of(place, body) for place, body in given.items()}


def bodies(text: str) -> dict[str, dict[str, Any]]:
    """The objects of one file by `Kind/namespace/name`, as they stand there. Raises YamlError for what is no manifest."""
    found: dict[str, dict[str, Any]] = {}
    for given in _flat(documents(text)):
        kind, meta = str(given.get("kind", "")), mapping(given.get("metadata"))
        name = str(meta.get("name") or meta.get("generateName") or "")
        if not kind or not given.get("apiVersion") or not name:
            raise YamlError("an object has no apiVersion, kind or name")
        place = "/".join(part for part in (kind, str(meta.get("namespace") or ""), name) if part)[:200]
        if place in found:
            raise YamlError(f"{place} stands there twice")
        found[place] = given
    return found


def _flat(given: list[Any]) -> Iterator[dict[str, Any]]:
    for one in given:
        whole = mapping(one)
        if not whole:
            raise YamlError("a document is no mapping")
        if str(whole.get("kind", "")) == "List":
            yield from _flat(listing(whole.get("items")))
        else:
            yield whole


def part_of(place: str, given: Mapping[str, Any]) -> Part:
    """What may be told of one object."""
    kind, spec = str(given.get("kind", "")), mapping(given.get("spec"))
    facts, risks, hashes = {"apiVersion": short(given.get("apiVersion", ""))}, list[Risk](), dict[str, int]()
    if "replicas" in spec:
        facts["replicas"] = short(spec["replicas"])
    if kind in PODS:
        pod = spec
        for step in PODS[kind]:
            pod = mapping(pod.get(step))
        _pod(place, pod, facts, risks, hashes)
    elif kind == "Secret":
        values = {**mapping(given.get("data")), **mapping(given.get("stringData"))}
        hashes = {f"value {name}": hash(str(value)) for name, value in values.items()}
        if values:
            risks.append(Risk("high", "a secret's values stand in the repository", place))
    elif kind == "ConfigMap":
        values = mapping(given.get("data"))
        hashes = {f"value {name}": hash(str(value)) for name, value in values.items()}
        for name, value in values.items():
            risks += secret_risks(name, value, place)
    elif kind in ("Service", "Ingress"):
        _reached(place, spec, facts, risks)
    elif kind in RULING:
        risks += [
            Risk("high", "gives every right", place) for rule in listing(given.get("rules")) if _is_everything(rule)
        ]
    elif kind.endswith("RoleBinding") and mapping(given.get("roleRef")).get("name") == "cluster-admin":
        risks.append(Risk("high", "makes somebody the cluster's admin", place))
    return Part(place, facts, tuple(risks), hashes)


def _pod(place: str, pod: Mapping[str, Any], facts: dict[str, str], risks: list[Risk], hashes: dict[str, int]) -> None:
    risks += [Risk("high", f"shares the host's {one[4:].lower()}", place) for one in SHARED if pod.get(one) is True]
    facts["service account"] = short(pod.get("serviceAccountName", ""))
    for volume in listing(pod.get("volumes")):
        path = mapping(mapping(volume).get("hostPath")).get("path")
        if path:
            facts[f"host path {short(path)}"] = "yes"
            risks += host_path_risks(str(path), place) or [Risk("medium", f"reaches {short(path)} of the host", place)]
    for container in [*listing(pod.get("initContainers")), *listing(pod.get("containers"))]:
        _container(place, mapping(container), facts, risks, hashes)


def _container(
    place: str, given: Mapping[str, Any], facts: dict[str, str], risks: list[Risk], hashes: dict[str, int]
) -> None:
    name, image = short(given.get("name", "")), str(given.get("image", ""))
    security, limits = mapping(given.get("securityContext")), mapping(mapping(given.get("resources")).get("limits"))
    where = f"{place} {name}".strip()
    facts[f"image of {name}"] = short(image)
    facts[f"limits of {name}"] = ", ".join(f"{key} {short(value)}" for key, value in sorted(limits.items()))
    risks += image_risks(image, where)
    if security.get("privileged") is True:
        risks.append(Risk("high", "is privileged: it owns the node", where))
    if security.get("runAsUser") == 0:
        risks.append(Risk("medium", "runs as root", where))
    added = listing(mapping(security.get("capabilities")).get("add"))
    risks += [
        Risk("high", f"may {one}", where) for one in map(str, added) if one.upper().removeprefix("CAP_") in DANGEROUS
    ]
    for variable in map(mapping, listing(given.get("env"))):
        label = str(variable.get("name", ""))
        hashes[f"environment {label} of {name}"] = hash(str(variable.get("value", variable.get("valueFrom"))))
        if "value" in variable:
            risks += secret_risks(label, variable["value"], where)


def _reached(place: str, spec: Mapping[str, Any], facts: dict[str, str], risks: list[Risk]) -> None:
    kind = str(spec.get("type", ""))
    ports = [mapping(port) for port in listing(spec.get("ports"))]
    hosts = [str(mapping(rule).get("host", "*")) for rule in listing(spec.get("rules"))]
    facts.update({"type": short(kind), "ports": ", ".join(short(port.get("port", "")) for port in ports)})
    facts["hosts"] = short(", ".join(sorted(hosts)))
    if kind in ("LoadBalancer", "NodePort"):
        risks.append(Risk("medium", f"is reached from outside of the cluster ({kind})", place))


def _is_everything(rule: Any) -> bool:
    given = mapping(rule)
    return "*" in listing(given.get("verbs")) and "*" in listing(given.get("resources"))
