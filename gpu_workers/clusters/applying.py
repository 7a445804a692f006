"""The clusters of projects, looked at while a plan is made and changed once people have allowed it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cryptography.exceptions import InvalidTag
from django.conf import settings

from governance.autonomy import ActionClass as Effect
from gpu_workers.applying.orders import Order, mark_of, nothing
from gpu_workers.applying.outcomes import Outcome
from gpu_workers.applying.plans import Garbled
from gpu_workers.clusters.asking import Said, Space, carry_out, looked
from gpu_workers.clusters.connecting import cluster_of, manager_of
from gpu_workers.clusters.looking import Look, changes_in, seen_in, told
from gpu_workers.clusters.objects import Change, unfit
from gpu_workers.clusters.rights import faults
from gpu_workers.clusters.speaking import Api, Cluster, ClusterError, judged, speaking
from gpu_workers.connections import named
from gpu_workers.forges.vault import Opening, seal, unsealed_text
from gpu_workers.models import ProjectCluster
from gpu_workers.reach.bounds import networks
from gpu_workers.reach.deadline import TooLong, within
from gpu_workers.tools.contract import ToolResult
from guildhall.kernel.errors import Invalid, Unavailable
from guildhall.kernel.tenancy import release_connection

TOTAL_S = 180.0
T = TypeVar("T")


def look_for(project: str, opening: Opening, cancel: threading.Event | None) -> Look | None:
    """How plans of a project are looked at in its cluster; None where it names none. Each look opens the token."""
    row = named(ProjectCluster, project)
    if row is None:
        return None

    space = _space(row)

    def ask(changes: Sequence[Change]) -> list[Said]:
        return _with(row, opening, cancel, lambda api: looked(api, changes, space))

    return Look(row.namespace, row.place, ask, lambda text: _sealed(text, project), row.kinds, row.accounts)


def _space(row: ProjectCluster) -> Space:
    return Space(row.namespace, manager_of(row.project), tuple(row.accounts))


def objects_of(project: str) -> str:
    """What objects of a plan are sealed for that nobody is shown in full."""
    return f"objects for the cluster of {project}"


def _sealed(text: str, project: str) -> str:
    """In a spelling that looks like no secret of any form: rows keep it as it is."""
    return seal(text, objects_of(project)).encode().hex()


def _unsealed(text: str, project: str) -> str:
    try:
        return unsealed_text(bytes.fromhex(text).decode(), objects_of(project))
    except InvalidTag as wrong:
        raise ValueError("It was sealed for something else.") from wrong


@dataclass(frozen=True, slots=True)
class ClusterApplier:
    """Applies plans of one kind to the namespace that the project names."""

    kind: str
    effects: tuple[Effect, ...] = (Effect.CHANGE_INFRASTRUCTURE,)

    def place(self, project: str) -> str:
        row = named(ProjectCluster, project)
        return row.place if row else ""

    def login(self, project: str) -> str:
        row = named(ProjectCluster, project)
        return mark_of(row.token) if row else ""

    def apply(self, order: Order, opening: Opening, *, again: bool, cancel: threading.Event | None) -> ToolResult:
        """Exactly the kept objects, once the cluster's dry run accepts all of them and says what it said to people.

        Applying is the same however often it is done, so that what a worker left half done is done to its end.
        """
        row = named(ProjectCluster, order.project)
        if row is None or (row.place, mark_of(row.token)) != (order.place, order.login):
            return nothing(f"{order.project} names another cluster or token now.")
        try:
            changes = changes_in(order.plan, lambda text: _unsealed(text, order.project))
        except Garbled as wrong:
            return nothing(str(wrong))
        if unfitting := unfit(changes, row.namespace, row.kinds, row.accounts):
            return nothing(f"{unfitting[0]}.")
        done, space, sent = list[Said](), _space(row), threading.Event()

        async def work(api: Api) -> str:
            if refusal := await _refusal(api, changes, space, order, again=again):
                raise _Refused(refusal)
            sent.set()
            return await carry_out(api, changes, space, done)

        try:
            problem = _with(row, opening, cancel, work)
        except _Refused as refusal:
            return nothing(str(refusal))
        except ClusterError as away:
            if not sent.is_set():
                return nothing(str(away))
            problem = str(away)
        return _told(row, changes, done, problem)


class _Refused(Exception):
    """Nothing is applied; the message says why."""


async def _refusal(api: Api, changes: Sequence[Change], space: Space, order: Order, *, again: bool) -> str:
    """Why nothing is applied: the token may too much by now, the cluster refuses an object, or is another than was shown.

    What a worker that died has done of this very plan is no change of the cluster.
    """
    if found := await faults(api, space.namespace):
        return f"The cluster's token {'; '.join(found)}: an admin has to give the project one of the namespace alone."
    said = await looked(api, changes, space)
    if refused := [str(one) for one in said if one.refused]:
        return f"The cluster refuses: {'; '.join(refused[:5])}."
    both = zip(said, seen_in(order.plan), strict=True)
    other = [told(one) for one, then in both if (told(one), one.live) != then and not (again and one.done)]
    if other:
        return f"The cluster has changed since people were asked: {'; '.join(other[:5])}. Plan anew."
    return ""


def _told(row: ProjectCluster, changes: Sequence[Change], done: Sequence[Said], problem: str) -> ToolResult:
    """What came of it. Where an answer was lost, the first one that is not told of may have been applied."""
    head = f"Not all was applied to {row.place}: {problem}" if problem else f"Applied to {row.place}."
    left = [f"{change.place}: not known to be applied" for change in changes[len(done) :]]
    came = {"applied": len(done), "outcome": Outcome.UNKNOWN if problem else Outcome.APPLIED}
    return ToolResult(not problem, "\n".join([head, *map(str, done), *left]), came)


def _with(
    row: ProjectCluster,
    opening: Opening,
    cancel: threading.Event | None,
    work: Callable[[Api], Coroutine[Any, Any, T]],
) -> T:
    """Do something with an open door to the cluster, no connection of ours held meanwhile. Raises ClusterError."""
    cluster = cluster_of(row, opening)
    release_connection()
    try:
        place = judged(cluster.api_url, networks(settings.TOOL_NETWORKS))
        return within(_open(cluster, place, work), TOTAL_S, cancel)
    except (TooLong, Invalid, Unavailable) as away:
        raise ClusterError(str(away)) from away


async def _open(cluster: Cluster, place: Any, work: Callable[[Api], Coroutine[Any, Any, T]]) -> T:
    async with speaking(cluster, place) as api:
        return await work(api)
