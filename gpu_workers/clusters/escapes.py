"""What of an object reaches beyond its namespace: the node, other pods, other namespaces, callers without a name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gpu_workers.plans.documents import listing, mapping
from gpu_workers.plans.manifests import SHARED

CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
"""What a container has by itself, less raw packets; whatever else is added is refused."""
VOLUMES = {
    "name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "hostPath", "image", "persistentVolumeClaim", "projected",
    "secret",
}  # fmt: skip
"""What a volume may be, or is told of otherwise: whatever else names a disk or a share that may be anybody's."""
LABELS = {"container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
"""SELinux's types for containers that are none of the host's."""
SYSCTL = re.compile(
    r"kernel\.shm_rmid_forced|net\.ipv4\.(?:ip_local_port_range|ip_unprivileged_port_start|tcp_syncookies|ping_group_range"
    r"|ip_local_reserved_ports|tcp_keepalive_(?:time|intvl|probes)|tcp_fin_timeout|tcp_rmem|tcp_wmem)"
)
"""Settings of the kernel that are each pod's own."""
COPIED = re.compile(r"replicat|reflect|(?:^|/)sync$", re.IGNORECASE)
"""Notes by which programs of the cluster copy an object from or to other namespaces."""
LEADING = re.compile(r"(?:secret|configmap|from|-ca)$", re.IGNORECASE)
ELSEWHERE_NAMED = re.compile(r"([a-z0-9-]+)/[a-z0-9.-]+")
ADDRESSES = ("Endpoints", "EndpointSlice")
EVERYBODY = {
    "system:anonymous",
    "system:authenticated",
    "system:masters",
    "system:serviceaccounts",
    "system:unauthenticated",
}
ACCOUNTS = re.compile(r"system:serviceaccounts?:([^:]+)(?::.*)?")
ELSEWHERE = re.compile(r"(?:.+\.)?([a-z0-9-]+)\.(?:svc|pod)(?:\..*)?", re.IGNORECASE)
"""A name by which the cluster's DNS knows a service or a pod of a namespace."""
TEXTS = ("data", "stringData", "binaryData")
WORDS = ("annotations", "labels", "matchLabels", "selector", "nodeSelector")
"""Maps whose names are anybody's words: a `namespace` among them is none."""


def escapes(body: Mapping[str, Any], namespace: str) -> Iterator[str]:
    """Each thing in words, wherever it stands in an object, also of kinds that no rule knows."""
    if body.get("kind") in ADDRESSES:
        yield "names by itself the addresses that traffic goes to"
    yield from _noted(mapping(mapping(body.get("metadata")).get("annotations")), namespace)
    yield from _escapes(acted_on(body), namespace)


def acted_on(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of an object the cluster acts on: not its metadata, nor the texts that it keeps for programs."""
    plain = body.get("apiVersion") == "v1" and body.get("kind") in ("ConfigMap", "Secret")
    left_out = ("metadata", *TEXTS) if plain else ("metadata",)
    return {name: value for name, value in body.items() if name not in left_out}


def _escapes(given: Any, namespace: str, *, words: bool = False) -> Iterator[str]:
    if isinstance(given, list):
        for one in given:
            yield from _escapes(one, namespace)
        return
    if not isinstance(given, dict):
        return
    yield from _of_the_host(given)
    yield from _of_others(given, namespace)
    if not words:
        yield from _spaces(given, namespace)
    yield from _noted(mapping(given.get("annotations")), namespace)
    for name, one in given.items():
        yield from _escapes(one, namespace, words=name in WORDS)


def _of_the_host(given: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"shares the host's {one[4:].lower()}" for one in SHARED if given.get(one))
    if given.get("privileged"):
        yield "is privileged"
    if given.get("hostProcess") or given.get("procMount") == "Unmasked":
        yield "runs as a process of the host"
    if given.get("hostPath"):
        yield "has a path of the host"
    if given.get("hostPort"):
        yield "takes a port of the host"
    if given.get("nodeName"):
        yield "names the node that it runs on"
    for volume in map(mapping, listing(given.get("volumes"))):
        yield from (f"mounts what it names itself ({str(one)[:40]})" for one in volume if one not in VOLUMES)
    for guard in ("seccompProfile", "appArmorProfile"):
        if mapping(given.get(guard)).get("type") == "Unconfined":
            yield f"goes without the node's {guard.removesuffix('Profile')}"
    labels = mapping(given.get("seLinuxOptions"))
    if labels.get("user") or labels.get("role") or str(labels.get("type") or "container_t") not in LABELS:
        yield "takes another label of SELinux than containers have"
    for setting in (str(mapping(one).get("name")) for one in listing(given.get("sysctls"))):
        if not SYSCTL.fullmatch(setting):
            yield f"sets {setting[:60]} of the node"
    if str(given.get("priorityClassName", "")).startswith("system-"):
        yield "goes before the cluster's own pods"
    added = listing(mapping(given.get("capabilities")).get("add"))
    yield from (f"may {str(one)[:40]}" for one in added if str(one).upper().removeprefix("CAP_") not in CAPABILITIES)


def _of_others(given: Mapping[str, Any], namespace: str) -> Iterator[str]:
    if given.get("externalIPs"):
        yield "takes the traffic of addresses that it names (externalIPs)"
    if (found := ELSEWHERE.fullmatch(str(given.get("externalName", "")))) and found[1] != namespace:
        yield f"stands for a service of the namespace {found[1][:80]!r}"
    for name in (str(mapping(one).get("name", "")) for one in listing(given.get("subjects"))):
        other = ACCOUNTS.fullmatch(name)
        if name in EVERYBODY or (other and other[1] != namespace):
            yield f"gives rights to {name[:80]}"


def _noted(notes: Mapping[str, Any], namespace: str) -> Iterator[str]:
    """What programs of the cluster are told to do beyond the namespace by notes on an object of any kind."""
    for name, value in notes.items():
        key, given = name.lower(), str(value)
        if "snippet" in key:
            yield f"writes the settings of a program that others share ({name[:80]})"
        if COPIED.search(key):
            yield f"has itself copied between namespaces ({name[:80]})"
        if "apparmor" in key and given == "unconfined":
            yield "goes without the node's appArmor"
        found = ELSEWHERE_NAMED.fullmatch(given) if LEADING.search(key) else None
        spaces = [one.strip() for one in given.split(",")] if key.endswith(("namespace", "namespaces")) else []
        if other := [one for one in ([found[1]] if found else spaces) if one and one != namespace]:
            yield f"names the namespace {other[0][:80]!r} ({name[:80]})"


def _spaces(given: Mapping[str, Any], namespace: str) -> Iterator[str]:
    for name, value in given.items():
        folded = str(name).lower()
        values = [value] if folded.endswith("namespace") else listing(value) if folded.endswith("namespaces") else []
        for one in values:
            if isinstance(one, str) and one and one != namespace:
                yield f"names the namespace {one[:80]!r} ({str(name)[:40]})"
