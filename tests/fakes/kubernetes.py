"""An API server that speaks the part of Kubernetes' protocol that we use, over TLS with an authority of its own.

Discovery, SelfSubjectAccessReview, GET, server-side apply (PATCH) and DELETE of namespaced objects, dry runs included; what
it refuses, it refuses as a `Status`. Fields have managers: one that another manager has set to something else is a conflict.
Lists are one field each, which is less than a real server knows of them.

`tokens` are rights by token: namespaces in which it may do everything, `*` for all of them. `refused` are names of objects
that admission refuses, `broken` is the name of one after whose change the connection is cut off. `mood` answers everything
with something odd: a status, or the words `garbage`, `endless`, `silent`, `elsewhere`. `meanwhile` is told of each change
that is done (its path) before it is answered. `unread` are kinds of things that no token may get. `journal` has each call,
and whether it is a dry run or asks for metadata alone.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.certificates import Authority
from tests.fakes.serving import Answering, Serving

TOKEN = "fake-" + "namespace-" + "0a1b2c3d4e5f6a7b8c9d"
ADMIN = "fake-" + "cluster-admin-" + "0a1b2c3d4e5f6a7b8c9d"
SPACE = "shop"
KINDS: dict[str, dict[str, tuple[str, bool]]] = {
    "v1": {
        "ConfigMap": ("configmaps", True),
        "Secret": ("secrets", True),
        "Service": ("services", True),
        "Pod": ("pods", True),
        "Namespace": ("namespaces", False),
    },
    "apps/v1": {"Deployment": ("deployments", True)},
    "x/v1": {"Rollout": ("rollouts", True)},
    "rbac.authorization.k8s.io/v1": {
        "Role": ("roles", True),
        "RoleBinding": ("rolebindings", True),
        "ClusterRole": ("clusterroles", False),
    },
}
OBJECT = re.compile(r"/(?:api|apis)/(.+?)/namespaces/([^/]+)/([^/]+)/([^/]+)\Z")
Leaves = dict[tuple[str, ...], Any]


class Kubernetes(Serving):
    """`url` is its address, `ca` what it proves itself by."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        authority = Authority(folder)
        super().__init__(_Handler, host=host, certificate=authority.signed(host))
        self.url, self.ca = self.at, authority.certificate
        self.tokens: dict[str, set[str]] = {TOKEN: {SPACE}, ADMIN: {"*"}}
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.managers: dict[tuple[str, str, str], dict[tuple[str, ...], set[str]]] = {}
        self.refused: set[str] = set()
        self.unread: set[str] = set()
        self.journal: list[str] = []
        self.broken, self.mood, self.version = "", "", 100
        self.meanwhile: Callable[[str], None] = lambda path: None
        self.lock = threading.RLock()

    def put(self, resource: str, name: str, given: dict[str, Any], manager: str = "kubectl") -> None:
        """An object of the namespace that somebody else made."""
        self.apply((SPACE, resource, name), given, manager, dry=False)

    def get(self, resource: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((SPACE, resource, name))

    def changed(self) -> list[str]:
        """What was really done, in order: each change without its dry run."""
        return [line for line in self.journal if line.startswith(("PATCH", "DELETE")) and "dryRun" not in line]

    def may(self, token: str, namespace: str) -> bool:
        """Whether a token may do things in `namespace`, "" for all of them."""
        spaces = self.tokens.get(token, set())
        return "*" in spaces or namespace in spaces

    def apply(self, key: tuple[str, str, str], given: dict[str, Any], manager: str, *, dry: bool) -> tuple[int, Any]:
        """As PATCH with an apply configuration, without force."""
        live, owners = self.objects.get(key), self.managers.get(key, {})
        has, wants = _leaves(live) if live else {}, _leaves(given)
        conflicts = [
            (path, others)
            for path, value in wants.items()
            if path in has and has[path] != value and (others := owners.get(path, set()) - {manager})
        ]
        if conflicts:
            return 409, _conflict(conflicts)
        left = {path for path, by in owners.items() if by == {manager} and path not in wants}
        merged = {**{path: value for path, value in has.items() if path not in left}, **wants}
        kept = {path: by - {manager} for path, by in owners.items() if by - {manager}}
        managers = {**kept, **{path: kept.get(path, set()) | {manager} for path in wants}}
        changed = merged != has
        made = _built(merged)
        meta = made.setdefault("metadata", {})
        known = (live or {}).get("metadata", {})
        version = str(self.version + 1) if changed or live is None else known["resourceVersion"]
        meta.update(uid=known.get("uid", f"uid-{self.version}"), resourceVersion=version)
        meta["managedFields"] = [
            {"manager": one, "operation": "Apply"} for one in sorted(set[str]().union(*managers.values()))
        ]
        if not dry:
            self.version += 1
            self.objects[key], self.managers[key] = made, managers
        return 200 if live else 201, made


def _leaves(given: Any, path: tuple[str, ...] = ()) -> Leaves:
    """Fields by their path: of maps the values, a list as a whole. What the server itself keeps is none."""
    if not isinstance(given, dict) or not given:
        return {path: given}
    found: Leaves = {}
    for name, inside in given.items():
        if not (path == ("metadata",) and name in ("managedFields", "resourceVersion", "uid")):
            found |= _leaves(inside, (*path, name))
    return found


def _built(leaves: Leaves) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for path, value in leaves.items():
        at = whole
        for name in path[:-1]:
            at = at.setdefault(name, {})
        at[path[-1]] = copy.deepcopy(value)
    return whole


def _status(code: int, reason: str, message: str, causes: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
        **({"details": {"causes": causes}} if causes else {}),
    }  # fmt: skip


def _conflict(found: list[tuple[tuple[str, ...], set[str]]]) -> dict[str, Any]:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{min(others)}"',
            "field": "".join(f".{name}" for name in path),
        }
        for path, others in found
    ]
    return _status(409, "Conflict", f"Apply failed with {len(found)} conflict(s)", causes)


class _Handler(Answering):
    fake: Kubernetes

    def take(self) -> None:
        kube, method, parts = self.fake, self.command, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = json.loads(self.body() or b"{}")
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        # With a body, DELETE heeds nothing that the query says.
        dry = body.get("dryRun") == ["All"] if method == "DELETE" else query.get("dryRun") == "All"
        with kube.lock:
            marks = f"{'?dryRun' if dry else ''}{'?metadata' if self.bare() else ''}"
            kube.journal.append(f"{method} {parts.path}{marks}")
            if kube.mood:
                self._odd(kube.mood)
                return
            if token not in kube.tokens:
                self.tell(401, _status(401, "Unauthorized", "Unauthorized"))
                return
            status, data = self._answer(method, parts.path, query, body, token, dry=dry)
        if method in ("PATCH", "DELETE") and not dry:
            kube.meanwhile(parts.path)
        if kube.broken and parts.path.endswith(f"/{kube.broken}") and method == "PATCH" and not dry:
            kube.broken = ""
            self.close_connection = True
            return
        self.tell(status, data)

    def _odd(self, mood: str) -> None:
        if mood == "elsewhere":
            self.tell(302, {}, {"Location": f"{self.fake.url}/elsewhere"})
        elif mood == "garbage":
            self.send(200, b"<html>no API here</html>", {"Content-Type": "application/json"})
        elif mood == "endless":
            self.send(200, b"x" * (5 * 1024 * 1024), {"Content-Type": "application/json"})
        elif mood == "silent":
            self.close_connection = True
        else:
            self.tell(int(mood), _status(int(mood), "Odd", "it is odd today"))

    def _answer(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any], token: str, *, dry: bool
    ) -> tuple[int, Any]:
        kube = self.fake
        if path == "/version":
            return 200, {"major": "1", "minor": "32", "gitVersion": "v1.32.4"}
        if path.endswith("/selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            return 201, {**body, "status": {"allowed": kube.may(token, asked.get("namespace", ""))}}
        for version, kinds in KINDS.items():
            if path == (f"/api/{version}" if version == "v1" else f"/apis/{version}"):
                return 200, {"kind": "APIResourceList", "groupVersion": version, "resources": list(_resources(kinds))}
        found = OBJECT.fullmatch(path)
        if found is None:
            return 404, _status(404, "NotFound", "the server could not find the requested resource")
        space, resource, name = found[2], found[3], found[4]
        if not kube.may(token, space) or (method == "GET" and resource in kube.unread):
            return 403, _status(403, "Forbidden", f'{resource} "{name}" is forbidden in the namespace "{space}"')
        return self._object(method, (space, resource, name), query, body, dry=dry)

    def _object(
        self, method: str, key: tuple[str, str, str], query: dict[str, str], body: dict[str, Any], *, dry: bool
    ) -> tuple[int, Any]:
        kube, (_, resource, name) = self.fake, key
        live = kube.objects.get(key)
        if method == "PATCH":
            if self.headers.get("Content-Type") != "application/apply-patch+yaml" or query.get("force") != "false":
                return 415, _status(415, "UnsupportedMediaType", "only unforced server-side apply is spoken here")
            if name in kube.refused:
                return 422, _status(422, "Invalid", f'{resource} "{name}" is invalid: it is refused here')
            return kube.apply(key, body, query["fieldManager"], dry=dry)
        if live is None:
            return 404, _status(404, "NotFound", f'{resource} "{name}" not found')
        if method == "DELETE":
            if body["preconditions"]["uid"] != live["metadata"]["uid"]:
                return 409, _status(409, "Conflict", "the UID in the precondition does not match")
            if not dry:
                del kube.objects[key], kube.managers[key]
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        if self.bare():
            named = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
            return 200, {**named, "metadata": live["metadata"]}
        return 200, live

    def bare(self) -> bool:
        """Whether only an object's metadata is asked for."""
        return "as=PartialObjectMetadata" in self.headers["Accept"]


def _resources(kinds: dict[str, tuple[str, bool]]) -> Iterator[dict[str, Any]]:
    for kind, (name, namespaced) in kinds.items():
        yield {"name": name, "kind": kind, "namespaced": namespaced, "verbs": ["get", "patch", "delete"]}
        yield {"name": f"{name}/status", "kind": kind, "namespaced": namespaced, "verbs": ["get", "patch"]}
