"""As which service accounts of its namespace what is applied may act: `default`, and those that an admin listed. Pure.

Whoever may make pods in a namespace may have them run as any account there, and so do whatever that account may do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gpu_workers.clusters.escapes import WORDS, acted_on
from gpu_workers.plans.documents import listing, mapping

DEFAULT = "default"
NAMING = ("serviceaccount", "serviceaccountname", "serviceaccountref")
"""Fields that name an account, also of kinds that no rule knows; several at once where an `s` is added."""
TOKEN = "kubernetes.io/service-account-token"  # noqa: S105
OWNER = "kubernetes.io/service-account.name"
FORM = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
LONGEST, MOST = 253, 20


def strange_accounts(body: Mapping[str, Any], also: Collection[str]) -> Iterator[str]:
    """Each account but `default` and `also` that an object has something run as, or brings a token of; in words."""
    accepted, choice = (DEFAULT, *also), choice_of(also)
    for name in dict.fromkeys(_run_as(acted_on(body))):
        if name not in accepted:
            yield f"runs as the service account {name[:80]!r} ({choice})"
    for name in _token_of(body):
        if name not in accepted:
            yield f"has the cluster write down a token of the service account {name[:80]!r} ({choice})"


def choice_of(also: Collection[str]) -> str:
    """Which accounts are accepted, in words."""
    return f"accepted: {', '.join(dict.fromkeys((DEFAULT, *also)))}; an admin can list others with the cluster"


def wrong_accounts(names: Collection[str]) -> str:
    """What is wrong with a list of accounts, or ""."""
    if len(names) > MOST or not all(len(one) <= LONGEST and FORM.fullmatch(one) for one in names):
        return f"Give at most {MOST} names of service accounts of the namespace, such as builder."
    return ""


def _run_as(given: Any, *, words: bool = False) -> Iterator[str]:
    if isinstance(given, list):
        for one in given:
            yield from _run_as(one)
    if not isinstance(given, dict):
        return
    for name, one in given.items():
        folded = str(name).lower()
        if not words and folded.removesuffix("s") in NAMING:
            values = listing(one) if isinstance(one, list) else [one]
            # An empty name is `default`; of what describes an account only its name is one.
            yield from (str(found) for value in values if (found := _named(value)))
        yield from _run_as(one, words=name in WORDS)


def _named(value: Any) -> Any:
    return value.get("name") if isinstance(value, dict) else value


def _token_of(body: Mapping[str, Any]) -> Iterator[str]:
    """The account whose token the cluster writes into this Secret; "" where the Secret does not say whose."""
    whose = mapping(mapping(body.get("metadata")).get("annotations")).get(OWNER)
    if body.get("kind") == "Secret" and (whose is not None or body.get("type") == TOKEN):
        yield str(whose or "")
