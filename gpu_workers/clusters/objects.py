"""Objects of Kubernetes as a plan has them applied: in which order, and which of them never. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gpu_workers.clusters.accounts import strange_accounts
from gpu_workers.clusters.escapes import escapes
from gpu_workers.clusters.kinds import foreign
from gpu_workers.clusters.shown import Body, secrets_in, shown_of, text_of
from gpu_workers.plans.documents import YamlError, documents, mapping
from gpu_workers.plans.manifests import PODS
from guildhall.kernel.unseen import unseen_in

MOST = 60
"""Objects of one plan."""
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?")
VERSION = re.compile(r"[a-z0-9.-]{1,200}(/[a-z0-9]{1,60})?")
NAMED = ("name", "namespace", "labels", "annotations")
"""What a plan says of an object; owners, finalizers and names that are made up are not its to say."""
HOOK = "helm.sh/hook"
EARLY = ("ServiceAccount", "Role", "RoleBinding", "ResourceQuota", "LimitRange", "NetworkPolicy")
CONFIG = ("ConfigMap", "Secret", "PersistentVolumeClaim", "Service")
LATE = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Ingress")


@dataclass(frozen=True, slots=True)
class Change:
    """One object as it is to be or, where it is `gone`, one to delete."""

    body: Body
    gone: bool = False

    @property
    def kind(self) -> str:
        return str(self.body.get("kind", ""))

    @property
    def version(self) -> str:
        return str(self.body.get("apiVersion", ""))

    @property
    def name(self) -> str:
        return str(mapping(self.body.get("metadata")).get("name") or "")

    @property
    def place(self) -> str:
        """What it is called: `Deployment/web`."""
        return f"{self.kind}/{self.name}"[:200]


def changes_of(after: Sequence[Body], before: Sequence[Body], namespace: str) -> list[Change]:
    """What has to be done to a namespace in order: what others need comes first, what is gone goes last.

    Tests of a Helm chart are no part of what is installed. Objects that name no namespace are of this one.
    """
    wanted = sorted((Change(_within(one, namespace)) for one in after if not _is_test(one)), key=_turn)
    kept = {(one.version.partition("/")[0], one.kind, one.name) for one in wanted}
    old = (Change(_bare(one, namespace), gone=True) for one in before if not _is_test(one))
    gone = [one for one in old if (one.version.partition("/")[0], one.kind, one.name) not in kept]
    return [*wanted, *sorted(gone, key=_turn, reverse=True)]


def unfit(
    changes: Sequence[Change], namespace: str, also: Collection[str] = (), accounts: Collection[str] = ()
) -> list[str]:
    """Why these are not applied, in words; nothing where they can be. `also` are kinds that the cluster's admin lets in,
    `accounts` service accounts of the namespace that pods may run as besides `default`."""
    found = [] if len(changes) <= MOST else [f"there are more than {MOST} objects; plan fewer at once"]
    places = [(change.place, change.version.partition("/")[0]) for change in changes]
    found += sorted({f"{place[0]} stands there twice" for place in places if places.count(place) > 1})
    for change in changes[:MOST]:
        found += [f"{change.place} {why}" for why in _faults(change, namespace, also, accounts)]
    return found


def body_in(text: str) -> dict[str, Any]:
    """The object that a text holds. Raises YamlError."""
    found = documents(text)
    if len(found) != 1 or not isinstance(found[0], dict):
        raise YamlError("it is no object")
    return mapping(found[0])


def _faults(change: Change, namespace: str, also: Collection[str], accounts: Collection[str]) -> Iterator[str]:
    meta = mapping(change.body.get("metadata"))
    if strange := foreign(change.version, change.kind, also):
        yield strange
    if kept := sorted(name for name, value in meta.items() if name not in NAMED and value is not None):
        yield f"sets metadata.{kept[0][:80]}, which is the cluster's to write"
    if change.body.get("status"):
        yield "has a status, which is the cluster's to write"
    if not NAME.fullmatch(change.name) or not VERSION.fullmatch(change.version):
        yield "has no name by which it could be applied again"
    if meta.get("namespace") != namespace:
        yield f"is of the namespace {str(meta.get('namespace'))[:80]!r}, not of {namespace}"
    if HOOK in mapping(meta.get("annotations")):
        yield "is a hook of Helm, which only Helm itself runs at its moment"
    beyond = () if change.gone else escapes(change.body, namespace)
    yield from dict.fromkeys(f"{why}, which reaches beyond the namespace" for why in beyond)
    yield from () if change.gone else strange_accounts(change.body, accounts)
    try:
        if where := list(dict.fromkeys(secrets_in(change.body))):
            yield f"reads like a secret in {', '.join(where[:3])}: put it into a Secret, which alone is not shown"
        if odd := next(unseen_in(shown_of(change.body)), ""):
            yield f"holds a character that is not seen: {odd}"
        text, masked = text_of(change.body)
        same = masked or body_in(text) == change.body
        json.dumps(change.body, allow_nan=False, ensure_ascii=False).encode()
    except (YamlError, yaml.YAMLError, TypeError, ValueError, RecursionError):
        same = False
    if not same:
        yield "holds values that JSON does not have"


def _within(body: Body, namespace: str) -> dict[str, Any]:
    meta = {**mapping(body.get("metadata"))}
    return {**body, "metadata": {**meta, "namespace": meta.get("namespace") or namespace}}


def _bare(body: Body, namespace: str) -> dict[str, Any]:
    """Only what names an object."""
    meta = mapping(body.get("metadata"))
    named = {"name": meta.get("name"), "namespace": meta.get("namespace") or namespace}
    return {"apiVersion": body.get("apiVersion"), "kind": body.get("kind"), "metadata": named}


def _is_test(body: Body) -> bool:
    hook = str(mapping(mapping(body.get("metadata")).get("annotations")).get(HOOK, ""))
    return bool(hook) and all(one.strip().startswith("test") for one in hook.split(","))


def _turn(change: Change) -> tuple[int, str]:
    tiers: Iterable[tuple[int, Iterable[str]]] = ((0, EARLY), (1, CONFIG), (3, PODS), (4, LATE))
    return next((tier for tier, kinds in tiers if change.kind in kinds), 2), change.place
