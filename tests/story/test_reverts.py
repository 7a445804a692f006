"""What became of a revert is told as it is, whoever dies over it and however long GitHub stays away."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from gpu_workers.actions.connections import disconnect
from gpu_workers.actions.forges import Heard, hear
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.actions.reverts import record_unknown_revert, request_revert
from gpu_workers.errands import serve, waiting_lanes
from gpu_workers.errands.kinds import MAX_DEATHS
from gpu_workers.errands.reverts import GONE, NOT_LANDED, UNKNOWN
from gpu_workers.folders import repository_folder
from gpu_workers.models import Errand, ForgeConnection, Lane
from gpu_workers.sandbox.workspace import remove_tree
from gpu_workers.selectors import reverts_under_way
from guildhall.evidence.models import OutboxEvent
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.github import TOKEN, GitHubServer
from tests.support.clients import signed_in
from tests.support.errands import (
    ASKED,
    CLOSED,
    WANTED,
    ask_back,
    dies_asking,
    dies_at,
    due,
    go_on,
    later,
    made,
    merged_there,
    states,
    told,
)
from tests.support.tenants import TestTenant
from tests.support.world import World

pytestmark = pytest.mark.integration
REQUESTED, REVERTED, FAILED, NOBODY_KNOWS = (
    f"delivery.change.{what}" for what in ("revert_requested", "reverted", "revert_failed", "revert_unknown")
)
HOUR = timedelta(hours=1)


def ends(world: World) -> list[str]:
    return told(world, "delivery.change.revert")


def reasons(world: World) -> list[str]:
    with tenant_scope(world.tenant.schema):
        return [one.payload["reason"] for one in OutboxEvent.objects.filter(kind=FAILED).order_by("id")]


def test_a_revert_that_landed_while_github_stayed_away_is_unknown_until_somebody_can_look(
    world: World, hub: GitHubServer, other_tenant: TestTenant
) -> None:
    change = merged_there(world, hub)
    hub.broken = "/merge"
    ask_back(world, change)
    assert (hub.git("show", "main:till.py"), states(world)) == ("total = 1", ["merged"]), "its answer was lost"
    hub.token = "another-token-by-now"
    due(world)
    with tenant_scope(world.tenant.schema):
        Errand.objects.update(waiting_since=Now() - HOUR)
    dies_at(world, "change.doubt_revert")
    assert ends(world) == [REQUESTED]
    later(world, HOUR)
    assert ends(world) == [REQUESTED, NOBODY_KNOWS], "nobody could look, so nobody says that it failed"
    later(world, HOUR)
    with tenant_scope(world.tenant.schema):
        assert (waiting_lanes(), reverts_under_way("till")) == ([], []), (
            "it is looked at seldom, and may be disconnected"
        )
        assert Errand.objects.get().reason.startswith(UNKNOWN)
        lost = Lane.objects.get(repository="till").fence - 1
        with pytest.raises(LeaseLost):
            record_unknown_revert(actor=world.tenant.system(), change=change, fence=lost, reason="Too late.")
    page = signed_in(world.tenant, world.tenant.member("developer")).get("/changes/1/").content.decode()
    assert f"Revert waits: {UNKNOWN} It was tried for an hour." in page

    hub.token = TOKEN
    with tenant_scope(other_tenant.schema):
        serve("till")
    heard = Heard("delivery-1", "0" * 64, "pull_request", hub.head())
    with tenant_scope(world.tenant.schema):
        hear(actor=world.tenant.system("forge"), connection=ForgeConnection.objects.get(), heard=heard)
        assert waiting_lanes() == ["till"], "a webhook says that GitHub is back"
    dies_at(world, "change.revert")
    for _ in ("its worker died, so that it rests", "its next look"):
        later(world)
    assert (ends(world), states(world)) == ([REQUESTED, NOBODY_KNOWS, REVERTED], ["reverted"])
    assert (hub.count("PUT"), reasons(world)) == (1, [])


def test_a_revert_that_did_not_land_has_failed_once_that_can_be_looked_up(world: World, hub: GitHubServer) -> None:
    change = merged_there(world, hub)
    hub.token = "another-token-by-now"
    ask_back(world, change)
    later(world, HOUR)
    assert ends(world) == [REQUESTED, FAILED], "nothing of it was asked for at GitHub"
    hub.token, hub.limited = TOKEN, 1
    ask_back(world, change)
    hub.token = "another-token-by-now"
    later(world, HOUR)
    hub.token = TOKEN
    later(world, HOUR)
    assert ends(world)[2:] == [REQUESTED, NOBODY_KNOWS, FAILED]
    assert (reasons(world)[1], hub.count("PUT")) == (NOT_LANDED, 0), "nothing is done hours later that nobody expects"
    ask_back(world, change)
    assert states(world) == ["reverted"]


def test_what_nobody_knew_when_its_repository_was_disconnected_stays_unknown(world: World, hub: GitHubServer) -> None:
    change = merged_there(world, hub)
    hub.broken = "/merge"
    ask_back(world, change)
    hub.token = "another-token-by-now"
    later(world, HOUR)
    with tenant_scope(world.tenant.schema):
        disconnect(actor=world.tenant.actor("admin"), connection=ForgeConnection.objects.get())
    later(world, HOUR)
    assert (ends(world), states(world)) == ([REQUESTED, NOBODY_KNOWS], ["merged"]), "the copy here cannot tell"
    with tenant_scope(world.tenant.schema):
        assert not Errand.objects.exists()

        second = made(world, 2, "till", change.base_sha, change.merged_sha)
        remove_tree(repository_folder("till"))
        request_revert(actor=world.owner, change=second, reason="The tills cannot round like this.")
        fence = Lane.objects.get(repository="till").fence
        record_unknown_revert(actor=world.tenant.system(), change=second, fence=fence, reason="GitHub is away.")
    go_on(world)
    with tenant_scope(world.tenant.schema):
        assert (OutboxEvent.objects.latest("id").payload["reason"], Errand.objects.exists()) == (GONE, False)
        again = {"kind": "revert", "number": 2, "repository": "till", "event": 10**9}
        Errand.objects.create(asked_at=Now() - HOUR, **again)
    later(world)
    assert ends(world)[2:] == [REQUESTED, NOBODY_KNOWS, NOBODY_KNOWS], (
        "a worker that died before it was over says no more"
    )
    with tenant_scope(world.tenant.schema):
        assert not Errand.objects.exists()


def test_a_revert_that_landed_and_whose_workers_all_died_is_told_as_it_is(world: World, hub: GitHubServer) -> None:
    first, base = merged_there(world, hub), hub.head()
    second = made(world, 2, "till", base, hub.commit("main", {"side.py": b"x = 1\n"}, [base]))
    for change, deaths in ((second, MAX_DEATHS), (first, MAX_DEATHS + 1)):
        hub.broken = "/merge"
        ask_back(world, change)
        due(world)
        with tenant_scope(world.tenant.schema):
            Errand.objects.update(tries=deaths)
        if deaths == MAX_DEATHS:
            dies_at(world, "change.revert")
            with tenant_scope(world.tenant.schema):
                Errand.objects.update(tries=deaths)
        later(world)
    assert states(world) == ["merged", "reverted"]
    assert FAILED not in ends(world)
    assert ends(world)[-1] == NOBODY_KNOWS, "where looking itself may have killed them, nobody looks again at once"
    due(world)
    dies_at(world, "change.revert")
    later(world)
    assert (states(world), ends(world)[-1]) == (["merged", "reverted"], NOBODY_KNOWS), (
        "one death more is an hour's rest"
    )
    with tenant_scope(world.tenant.schema):
        assert waiting_lanes() == []
    later(world)
    assert states(world) == ["reverted", "reverted"]


def test_a_revert_whose_base_moves_after_its_worker_died_leaves_no_pull_request_behind(
    world: World, hub: GitHubServer
) -> None:
    change = merged_there(world, hub)
    hub.limited = 1
    ask_back(world, change)
    due(world)
    dies_asking(world, "PUT", lambda: serve("till"))
    hub.commit("main", {"till.md": b"Open.\n"}, [hub.head()])
    for boundary, said in (("change.ask_to_close_pull_request", []), ("change.close_pull_request", [ASKED])):
        due(world)
        dies_at(world, boundary)
        assert (told(world, "delivery.pull_request"), hub.count("PATCH")) == ([WANTED, *said], len(said))
    later(world)
    assert [pull["merged"] for pull in hub.pulls] == [False, True]
    assert [pull["state"] for pull in hub.pulls] == ["closed", "closed"]
    assert told(world, "delivery.pull_request") == [WANTED, ASKED, CLOSED, WANTED]
    assert (hub.count("PATCH"), states(world)) == (1, ["reverted"])
