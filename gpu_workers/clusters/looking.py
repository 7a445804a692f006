"""A plan of objects with what the cluster says of it, as it is put before people and kept to be applied."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from gpu_workers.applying.plans import Applicable, Garbled, Part
from gpu_workers.clusters.asking import Said
from gpu_workers.clusters.objects import Change, body_in, changes_of, unfit
from gpu_workers.clusters.shown import Body, text_of
from gpu_workers.clusters.speaking import ClusterError
from gpu_workers.plans.documents import YamlError
from guildhall.kernel.redaction import redact

APPLY, DELETE = "apply", "delete"
SEALED, SAYS, LIVE = "sealed", "in_the_cluster", "before"
MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class Look:
    """A project's cluster, while planning. `ask` has changes dry-run there and raises ClusterError; `seal` keeps a text.

    `kinds` are those of objects that its admin lets in, `accounts` the service accounts that pods may run as.
    """

    namespace: str
    place: str
    ask: Callable[[Sequence[Change]], list[Said]]
    seal: Callable[[str], str]
    kinds: Collection[str] = ()
    accounts: Collection[str] = ()


def plan_for(kind: str, after: Sequence[Body], before: Sequence[Body], look: Look) -> tuple[Applicable, list[str]]:
    """The plan to keep, and what the cluster says of it in words."""
    changes = changes_of(after, before, look.namespace)
    if wrong := unfit(changes, look.namespace, look.kinds, look.accounts):
        return Applicable(kind, (), _reasons(wrong)), []
    try:
        said = look.ask(changes)
    except ClusterError as away:
        return Applicable(kind, (), f"the cluster was not asked: {str(away).removesuffix('.')}"), []
    lines = [f"{look.place} says:", *map(str, said)] if said else []
    if refused := [str(one) for one in said if one.refused]:
        return Applicable(kind, (), _reasons(refused)), lines
    if not changes:
        return Applicable(kind, (), "it has no object"), lines
    return Applicable(kind, tuple(_part(*both, look) for both in zip(changes, said, strict=True))), lines


def changes_in(plan: Applicable, unseal: Callable[[str], str]) -> list[Change]:
    """What a kept plan has done, exactly. Raises `Garbled`."""
    try:
        return [_change(part, unseal) for part in plan.parts]
    except (YamlError, KeyError, ValueError) as wrong:
        raise Garbled("An object of the plan cannot be read.") from wrong


def told(said: Said) -> str:
    """What the cluster said, as rows keep it."""
    return redact(str(said))


def seen_in(plan: Applicable) -> list[tuple[str, str]]:
    """What the cluster said of each part when it was planned, and what stands for what was there then."""
    return [(str(part.facts.get(SAYS)), str(part.facts.get(LIVE))) for part in plan.parts]


def _part(change: Change, said: Said, look: Look) -> Part:
    text, left_out = text_of(change.body)
    facts: dict[str, Any] = {"act": DELETE if change.gone else APPLY, SAYS: told(said), LIVE: said.live}
    # What people are not shown is part of what they are bound to all the same: the plan's hash is over this as well.
    more = {SEALED: look.seal(json.dumps(change.body))} if left_out else {}
    return Part(change.place, text, {**facts, **more})


def _change(part: Part, unseal: Callable[[str], str]) -> Change:
    sealed = part.facts.get(SEALED)
    body = json.loads(unseal(str(sealed))) if sealed else body_in(part.text)
    change = Change(body, gone=part.facts["act"] == DELETE)
    if change.place != part.name:
        raise ValueError(part.name)
    return change


def _reasons(found: Sequence[str]) -> str:
    more = f"; and {len(found) - MOST_REASONS} more" if len(found) > MOST_REASONS else ""
    return f"{'; '.join(found[:MOST_REASONS])}{more}"[:1500]
