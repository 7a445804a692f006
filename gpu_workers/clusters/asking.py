"""Asking a cluster what changes would do to it, and having it do them: server-side apply, in our name, never by force."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.crypto import salted_hmac

from gpu_workers.clusters.accounts import strange_accounts
from gpu_workers.clusters.escapes import escapes
from gpu_workers.clusters.objects import Change
from gpu_workers.clusters.speaking import Answer, Api, plain
from gpu_workers.clusters.tokens import Tokens
from gpu_workers.plans import manifests
from gpu_workers.plans.documents import listing, mapping
from gpu_workers.plans.parts import changes as told_changes
from gpu_workers.plans.parts import short

FAMILY = "guildhall-"
"""How the names begin by which projects apply."""
FORM = "application/apply-patch+yaml"
APPLY = {"force": "false", "fieldValidation": "Strict"}
DRY = {"dryRun": "All"}
KEEP = ("helm.sh/resource-policy", "keep")
KEPT_BY_SERVER = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")
MOST_LINES = 12
"""Of one object, so many changes are told."""


@dataclass(frozen=True, slots=True)
class Space:
    """Where a project applies, and the field manager in whose name: nobody else's fields are its own.

    `accounts` are those of the namespace that what it applies may act as besides `default`.
    """

    namespace: str
    manager: str
    accounts: Collection[str] = ()

    def found_in(self, live: Answer) -> bool:
        """Whether what is there was applied in this name."""
        return self.manager in _appliers(live)

    def others_in(self, live: Answer) -> list[str]:
        """Other projects in whose names it was applied."""
        return sorted(one for one in _appliers(live) if one.startswith(FAMILY) and one != self.manager)


@dataclass(frozen=True, slots=True)
class Said:
    """What the cluster says of one change: what would be done, or was, with the changes in words; or why not (`refused`).

    `live` stands for what was there, values and all, "" for nothing; `done` says that this very change is there already.
    """

    place: str
    did: str
    lines: tuple[str, ...] = ()
    refused: bool = False
    live: str = ""
    done: bool = False

    def __str__(self) -> str:
        return plain(f"{self.place}: {'; '.join([self.did, *self.lines])}")


class Kinds:
    """Where objects of a kind are, as the cluster itself says."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self._known: dict[str, list[dict[str, Any]]] = {}

    async def path(self, change: Change) -> tuple[str, str]:
        """The path of the object, or "" and why it has none that may be applied to. Raises ClusterError."""
        root = f"/api/{change.version}" if "/" not in change.version else f"/apis/{change.version}"
        if root not in self._known:
            answer = await self._api.ask("GET", root)
            self._known[root] = [mapping(one) for one in listing(answer.data.get("resources"))] if answer.ok else []
        found = next((one for one in self._known[root] if _serves(one, change.kind)), None)
        if found is None:
            return "", f"the cluster knows no {change.kind} in {change.version}"
        if found.get("namespaced") is not True:
            return "", "is of the whole cluster, not of a namespace"
        name = str(found.get("name"))
        return f"{root}/namespaces/{self._namespace}/{name}/{change.name}", ""


def _serves(resource: Mapping[str, Any], kind: str) -> bool:
    name = resource.get("name")
    return resource.get("kind") == kind and isinstance(name, str) and name.isalnum() and "patch" in listing(
        resource.get("verbs")
    )  # fmt: skip


async def looked(api: Api, changes: Sequence[Change], space: Space) -> list[Said]:
    """What each change would do, by a dry run of the cluster itself; nothing is changed. Raises ClusterError."""
    kinds, tokens = Kinds(api, space.namespace), Tokens(api, space.namespace, space.accounts)
    return [await _looked(api, change, space, tokens, *await kinds.path(change)) for change in changes]


async def carry_out(api: Api, changes: Sequence[Change], space: Space, done: list[Said]) -> str:
    """Do all of them in order, telling `done`; why it ended before the last, or "". Raises ClusterError.

    Only after a dry run of all that refuses none.
    """
    kinds = Kinds(api, space.namespace)
    for change in changes:
        path, why_not = await kinds.path(change)
        said = Said(change.place, why_not, refused=True) if why_not else await _changed(api, change, space, path)
        if said.refused:
            return str(said)
        done.append(said)
    return ""


async def _looked(api: Api, change: Change, space: Space, tokens: Tokens, path: str, why_not: str) -> Said:
    if why_not:
        return Said(change.place, why_not, refused=True)
    live = await api.ask("GET", path)
    if not live.ok and live.status != 404:
        return _refusal(change, live)
    if change.gone:
        return await _would_go(api, change, space, path, live)
    dry = await api.ask("PATCH", path, change.body, query={**_applying(space), **DRY}, form=FORM)
    if not dry.ok:
        return _refusal(change, dry)
    if strange := await _strange(change, live, dry, space, tokens):
        return Said(change.place, f"refused: it {'; '.join(strange)}", refused=True)
    if live.status == 404:
        return Said(change.place, "would be created")
    lines = _differences(change.place, live.data, dry.data)
    did, done = "would be configured" if lines else "is unchanged", not lines and space.found_in(live)
    return Said(change.place, did, lines, live=_mark(live), done=done)


async def _strange(change: Change, live: Answer, dry: Answer, space: Space, tokens: Tokens) -> list[str]:
    """What nobody may have done, as the object would be with what others have set of it: a container that is added to
    somebody else's pods has their account, volumes and Secrets. What the cluster adds to a new one is its own word."""
    whole = change.body if live.status == 404 else _own(dry.data)
    # A pod that runs takes no more containers, and the cluster itself has named its node.
    beyond = () if change.kind == "Pod" else escapes(whole, space.namespace)
    reaches = (f"{why}, which reaches beyond the namespace" for why in beyond)
    return [*dict.fromkeys(reaches), *strange_accounts(whole, space.accounts), *await tokens.strange(whole)]


async def _would_go(api: Api, change: Change, space: Space, path: str, live: Answer) -> Said:
    if stays := _stays(live, space):
        return Said(change.place, stays, live=_mark(live), done=live.status == 404)
    answer = await api.ask("DELETE", path, _ending(live, dry=True))
    if not answer.ok:
        return _refusal(change, answer)
    going = "deletionTimestamp" in mapping(live.data.get("metadata"))
    return Said(change.place, "would be deleted", live=_mark(live), done=going)


async def _changed(api: Api, change: Change, space: Space, path: str) -> Said:
    live = await api.ask("GET", path)
    if not live.ok and live.status != 404:
        return _refusal(change, live)
    if change.gone:
        if stays := _stays(live, space):
            return Said(change.place, stays)
        answer = await api.ask("DELETE", path, _ending(live, dry=False))
        return Said(change.place, "deleted") if answer.ok else _refusal(change, answer)
    answer = await api.ask("PATCH", path, change.body, query=_applying(space), form=FORM)
    if not answer.ok:
        return _refusal(change, answer)
    if live.status == 404:
        return Said(change.place, "created")
    same = _version(live) == _version(answer)
    return Said(change.place, "unchanged" if same else "configured")


def _applying(space: Space) -> dict[str, str]:
    return {"fieldManager": space.manager, **APPLY}


def _appliers(live: Answer) -> set[str]:
    managers = [mapping(one) for one in listing(mapping(live.data.get("metadata")).get("managedFields"))]
    return {str(one.get("manager")) for one in managers if one.get("operation") == "Apply"}


def _stays(live: Answer, space: Space) -> str:
    """Why an object is not deleted, or ""."""
    if live.status == 404:
        return "is gone already"
    if not space.found_in(live):
        return "stays: it was not applied by Guildhall for this project"
    if space.others_in(live):
        return "stays: it was applied for another project as well"
    meta = mapping(live.data.get("metadata"))
    return "stays: it says so itself" if mapping(meta.get("annotations")).get(KEEP[0]) == KEEP[1] else ""


def _ending(live: Answer, *, dry: bool) -> dict[str, Any]:
    """Delete this very object, not one that bears its name by then."""
    meta = mapping(live.data.get("metadata"))
    return {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": meta.get("uid"), "resourceVersion": meta.get("resourceVersion")},
        "propagationPolicy": "Background",
        **({"dryRun": ["All"]} if dry else {}),
    }


def _refusal(change: Change, answer: Answer) -> Said:
    return Said(change.place, f"refused: {answer.words}", refused=True)


def _mark(live: Answer) -> str:
    """What stands for an object that is there, whatever its server writes of how it does; nobody can guess values by it."""
    if live.status == 404:
        return ""
    uid = mapping(live.data.get("metadata")).get("uid")
    whole = json.dumps([uid, _own(live.data)], sort_keys=True)
    return salted_hmac("gpu_workers.clusters.asking", whole, algorithm="sha256").hexdigest()


def _version(answer: Answer) -> object:
    return mapping(answer.data.get("metadata")).get("resourceVersion")


def _differences(place: str, live: Mapping[str, Any], dry: Mapping[str, Any]) -> tuple[str, ...]:
    """What changes, in words: facts that may be shown with their values, and where anything differs, without them."""
    before, after = _own(live), _own(dry)
    told = told_changes({place: manifests.part_of(place, before)}, {place: manifests.part_of(place, after)})
    facts, paths = [line.partition(": ")[2] for line in told], [short(path) for path in _paths(before, after, "")]
    where = [f"in {', '.join(paths[:MOST_LINES])}{_more(paths)}"] if paths else []
    left = [_more(facts).strip()] if _more(facts) else []
    return (*facts[:MOST_LINES], *left, *where)


def _more(told: Sequence[str]) -> str:
    return f" and {len(told) - MOST_LINES} more" if len(told) > MOST_LINES else ""


def _paths(before: Any, after: Any, at: str) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}, key=str):
            yield from _paths(before.get(name), after.get(name), f"{at}.{name}" if at else str(name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _paths(one, other, f"{at}[{number}]")
    else:
        yield at


def _own(given: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what the server alone writes into it."""
    meta = {name: value for name, value in mapping(given.get("metadata")).items() if name not in KEPT_BY_SERVER}
    return {**{name: value for name, value in given.items() if name != "status"}, "metadata": meta}
