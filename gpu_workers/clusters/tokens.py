"""Secrets that an object hands to what it runs: none may hold the token of an account that it may not act as.

The cluster is asked for a Secret's metadata alone: whose token it is stands there, and no value of it is sent to us. Names
that no Secret has yet are nobody's token: a plan can bring none of another account, so that whoever makes one means it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gpu_workers.clusters.accounts import DEFAULT, FORM, OWNER, choice_of
from gpu_workers.clusters.escapes import WORDS, acted_on
from gpu_workers.clusters.speaking import METADATA, Api
from gpu_workers.plans.documents import mapping


class Tokens:
    """Whose tokens the Secrets of a namespace are, each asked for once."""

    def __init__(self, api: Api, namespace: str, accounts: Collection[str]) -> None:
        self._api, self._namespace, self._accounts = api, namespace, accounts
        self._known: dict[str, str] = {}

    async def strange(self, body: Mapping[str, Any]) -> list[str]:
        """In words, each Secret that `body` hands on and should not, or of which the cluster does not say whose it is."""
        return [why for name in dict.fromkeys(secrets_named(body)) if (why := await self._fault(name))]

    async def _fault(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = await self._asked(name)
        return self._known[name]

    async def _asked(self, name: str) -> str:
        answer = await self._api.ask("GET", f"/api/v1/namespaces/{self._namespace}/secrets/{name}", accept=METADATA)
        if answer.status == 404:
            return ""
        if not answer.ok:
            return f"reads the Secret {name[:80]!r}, of which the token may not ask whose it is ({answer.words})"
        whose = mapping(mapping(answer.data.get("metadata")).get("annotations")).get(OWNER)
        if whose is None or whose in (DEFAULT, *self._accounts):
            return ""
        told = f"the Secret {name[:80]!r}, a token of the service account {str(whose)[:80]!r}"
        return f"reads {told} ({choice_of(self._accounts)})"


def secrets_named(body: Mapping[str, Any]) -> Iterator[str]:
    """The Secrets that an object names in any field that is called after them, also of kinds that no rule knows.

    A service account only lists its own.
    """
    if (body.get("apiVersion"), body.get("kind")) != ("v1", "ServiceAccount"):
        yield from _named(acted_on(body))


def _named(given: Any, *, words: bool = False) -> Iterator[str]:
    if isinstance(given, list):
        for one in given:
            yield from _named(one)
    if not isinstance(given, dict):
        return
    for name, one in given.items():
        if not words and "secret" in str(name).lower():
            yield from _names(one)
        yield from _named(one, words=name in WORDS)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str) and FORM.fullmatch(value):
        yield value
    for one in value if isinstance(value, list) else ():
        yield from _names(one)
    if isinstance(value, dict):
        yield from _names(value.get("name"))
