"""Changes of a repository at GitHub, reverts and pull requests to close, and workers that die as they carry them out."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from governance.tests.tools import kinds_recorded
from gpu_workers.actions.changes import close_change
from gpu_workers.actions.reverts import request_revert
from gpu_workers.errands import serve
from gpu_workers.forge_events import (
    PullRequestClosed,
    PullRequestCloseRequested,
    PullRequestOpened,
    PullRequestOpenRequested,
)
from gpu_workers.forges.rest import Api
from gpu_workers.models import ChangeRequest, Errand, Lane, PullRequest
from gpu_workers.models.change import ChangeState
from guildhall.kernel.actions import ActionContext, register_check
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.github import GitHubServer
from tests.support.mortal import DIED, in_child
from tests.support.pump import consume, relay
from tests.support.world import World

BAD = b"total = 1 / 0\n"
OURS = "guildhall/SHOP-1.{}-1"
WANTED, OPENED = PullRequestOpenRequested.kind, PullRequestOpened.kind
ASKED, CLOSED = PullRequestCloseRequested.kind, PullRequestClosed.kind


def made(world: World, number: int, repository: str, base: str, sha: str, **facts: Any) -> ChangeRequest:
    given = {"state": ChangeState.MERGED, "merged_sha": sha, "branch": f"guildhall/SHOP-1.{number}-1"} | facts
    about = {"task": f"SHOP-1.{number}", "story": "story:SHOP-1", "title": "A change", "author": "agent:mason"}
    with tenant_scope(world.tenant.schema):
        return ChangeRequest.objects.create(
            number=number, repository=repository, base_sha=base, head_sha=sha, **about, **given
        )


def merged_there(world: World, hub: GitHubServer, number: int = 1) -> ChangeRequest:
    base = hub.head()
    return made(world, number, "till", base, hub.commit("main", {"till.py": BAD}, [base]))


def ask_back(world: World, *changes: ChangeRequest) -> None:
    with tenant_scope(world.tenant.schema):
        for change in changes:
            request_revert(actor=world.owner, change=change, reason="The tills cannot round like this.")
    go_on(world)


def go_on(world: World) -> None:
    relay()
    consume(world.tenant.schema)
    relay()


def due(world: World) -> None:
    """The time comes at which what waits is tried again, and whoever was at it is dead."""
    with tenant_scope(world.tenant.schema):
        Lane.objects.update(lease_until=None)
        Errand.objects.update(retry_at=None)


def later(world: World, waited: timedelta = timedelta()) -> None:
    """What is due by then is carried out; what waits has been waited for since `waited`."""
    due(world)
    with tenant_scope(world.tenant.schema):
        Errand.objects.filter(waiting_since__isnull=False).update(waiting_since=Now() - waited)
    go_on(world)


def states(world: World) -> list[str]:
    with tenant_scope(world.tenant.schema):
        return list(ChangeRequest.objects.order_by("number").values_list("state", flat=True))


def told(world: World, start: str = "delivery.change.revert") -> list[str]:
    relay()
    return [kind for kind in kinds_recorded(world.tenant) if kind.startswith(start)]


def dies_at(world: World, action: str, repository: str = "till") -> None:
    """Have a worker serve a repository that is killed -9 as it begins `action`."""
    dies(world, action, lambda: serve(repository))


def dies(world: World, action: str, work: Callable[[], object]) -> None:
    """Have a worker do something in the tenant that is killed -9 as it begins `action`."""

    def die(about: ActionContext) -> None:
        if about.name == action:
            os.kill(os.getpid(), signal.SIGKILL)

    def working() -> None:
        register_check(die)
        with tenant_scope(world.tenant.schema):
            work()

    assert in_child(working) == DIED


def dies_asking(world: World, method: str, work: Callable[[], object]) -> None:
    """Have a worker do something that is killed -9 as it is about to call GitHub by `method`."""
    call = Api.call

    def die(self: Api, how: str, *about: Any, **more: Any) -> Any:
        if how == method:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(self, how, *about, **more)

    def working() -> None:
        with tenant_scope(world.tenant.schema), pytest.MonkeyPatch.context() as patch:
            patch.setattr(Api, "call", die)
            work()

    assert in_child(working) == DIED


def pushed(world: World, hub: GitHubServer, number: int, branch: str) -> ChangeRequest:
    """An open change whose commit is at GitHub."""
    base = hub.head()
    sha = hub.commit(branch, {f"part{number}.py": b"x = 1\n"}, [base])
    return made(world, number, "till", base, sha, branch=branch, state=ChangeState.OPEN, merged_sha="")


def proposed(world: World, hub: GitHubServer, number: int, branch: str) -> ChangeRequest:
    """An open change with a pull request from `branch`."""
    change = pushed(world, hub, number, branch)
    hub.pulls.append({"number": number, "html_url": "", "state": "open", "merged": False, "merge_commit_sha": None,
                      "title": "A change", "body": "", "head": {"ref": branch}, "base": {"ref": "main"}})  # fmt: skip
    with tenant_scope(world.tenant.schema):
        PullRequest.objects.create(change=change, number=number, branch=branch, url="")
    return change


def drop(world: World, *changes: ChangeRequest) -> None:
    with tenant_scope(world.tenant.schema):
        for change in changes:
            close_change(actor=world.tenant.system(), change=change)
    go_on(world)
