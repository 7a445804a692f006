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
ADDRESSES = ("Endpoints", "EndpointSlice")
EVERYBODY = {
    "system:anonymous",
    "system:authenticated",
    "system:masters",
    "system:serviceaccounts",
    "system:unauthenticated",
}
ACCOUNTS = re.compile(r"system:serviceaccounts?:([^:]+)(?::.*)?")
ELSEWHERE = re.compile(r"(?:.+\.)?([a-z0-9-]+)\.svc(?:\..*)?", re.IGNORECASE)
"""A name by which the cluster's DNS knows a service of a namespace."""
TEXTS = ("data", "stringData", "binaryData")
WORDS = ("annotations", "labels", "matchLabels", "selector", "nodeSelector")
"""Maps whose names are anybody's words: a `namespace` among them is none."""


def escapes(body: Mapping[str, Any], namespace: str) -> Iterator[str]:
    """Each thing in words, wherever it stands in an object, also of kinds that no rule knows."""
    if body.get("kind") in ADDRESSES:
        yield "names by itself the addresses that traffic goes to"
    plain = body.get("apiVersion") == "v1" and body.get("kind") in ("ConfigMap", "Secret")
    left_out = ("metadata", *TEXTS) if plain else ("metadata",)
    yield from _escapes({name: value for name, value in body.items() if name not in left_out}, namespace)


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


def _spaces(given: Mapping[str, Any], namespace: str) -> Iterator[str]:
    for name, value in given.items():
        folded = str(name).lower()
        values = [value] if folded.endswith("namespace") else listing(value) if folded.endswith("namespaces") else []
        for one in values:
            if isinstance(one, str) and one and one != namespace:
                yield f"names the namespace {one[:80]!r} ({str(name)[:40]})"
