"""Reverts and pull requests to close: each once, whoever dies, and no repository in another's way while its forge is away."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, connections
from django.db.models.functions import Now
from django.utils.html import escape

from governance.actions.approvals import request_approval
from governance.actions.holds import lift_hold, place_hold
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.actions.reverts import record_failed_revert
from gpu_workers.errands import serve, waiting_lanes
from gpu_workers.errands.lanes import MAX_TRIES
from gpu_workers.folders import repository_folder
from gpu_workers.models import ChangeRequest, Errand, Lane, PullRequest
from gpu_workers.models.errand import ErrandKind
from guildhall.evidence.models import ConsumerCursor, OutboxEvent
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.fakes.github import GitHubServer
from tests.story.test_merging import move_base
from tests.support.clients import signed_in
from tests.support.errands import (
    ASKED,
    CLOSED,
    OPENED,
    OURS,
    WANTED,
    ask_back,
    dies_at,
    drop,
    due,
    later,
    made,
    merged_there,
    proposed,
    states,
    told,
)
from tests.support.pump import relay
from tests.support.tenants import TestTenant
from tests.support.world import World

pytestmark = pytest.mark.integration


def pretended_there(hub: GitHubServer, change: ChangeRequest) -> None:
    """Somebody who may push to GitHub signs what they do as the platform signs the revert of `change`."""
    theirs = hub.git("cat-file", "commit", hub.commit("main", {"till.md": b"Free.\n"}, [hub.head()]))
    ours = theirs.replace("hub <hub>", f"Guildhall <revert-{change.number}@guildhall.invalid>")
    pretended = hub.git("hash-object", "-w", "-t", "commit", "--stdin", data=f"{ours}\n".encode())
    hub.git("update-ref", "refs/heads/main", pretended)


def merged_here(world: World, folder: Path, number: int = 2) -> ChangeRequest:
    base = world.head()
    return made(world, number, "shop", base, move_base(world, folder, "shop.py", "open = False\n"))


def waits_told(world: World) -> list[tuple[str, str, str]]:
    """What pages and the trail were told of changes that wait: of which, with what, why."""
    relay()
    with tenant_scope(world.tenant.schema):
        found = OutboxEvent.objects.filter(kind="delivery.change.kept_waiting").order_by("id")
        return [(one.subject, one.payload["what"], one.payload["reason"]) for one in found]


def test_a_revert_whose_forge_is_away_is_in_nobodys_way_and_happens_once_whoever_dies(
    world: World, hub: GitHubServer, other_tenant: TestTenant, tmp_path: Path
) -> None:
    there, here = merged_there(world, hub), merged_here(world, tmp_path)
    pretended_there(hub, there)
    hub.limited = 10_000
    ask_back(world, there, here)
    assert states(world) == ["merged", "reverted"], "the other one goes through at once"
    with tenant_scope(world.tenant.schema):
        waits = Errand.objects.get()
        assert "no more calls" in waits.reason
        assert (waits.tries, waits.retry_at is None, waiting_lanes()) == (0, False, [])
        reader = ConsumerCursor.objects.get(consumer="agents.reverts")
        assert (reader.attempts, reader.retry_at) == (0, None)
    browser = signed_in(world.tenant, world.tenant.member("developer"))
    assert f"Revert waits: {waits.reason} It is tried again at" in browser.get("/changes/1/").content.decode()
    assert "waits:" not in browser.get("/changes/2/").content.decode(), "what is done waits for nothing"
    later(world)
    assert waits_told(world) == [("change:1", "revert", waits.reason)], "open pages learn of it, once"
    with tenant_scope(world.tenant.schema):
        Errand.objects.update(reason="<script>alert(1)</script> is asked for.")
    assert "Revert waits: &lt;script&gt;alert(1)" in browser.get("/changes/1/").content.decode()
    with tenant_scope(world.tenant.schema):
        Errand.objects.update(retry_at=None)
    hub.limited = 0
    with tenant_scope(other_tenant.schema):
        assert waiting_lanes() == []
        serve("till")
    for boundary in ("secret.read", "change.revert"):
        if boundary == "secret.read":
            with tenant_scope(world.tenant.schema):
                Errand.objects.update(opened="")
        dies_at(world, boundary)
        with tenant_scope(world.tenant.schema):
            assert waiting_lanes() == [], "its lease runs"
            serve("till")
            assert ChangeRequest.objects.get(number=1).state == "merged", "nobody else goes on before that"
            Lane.objects.update(lease_until=Now())
            assert waiting_lanes() == ["till"]
    with tenant_scope(world.tenant.schema):
        before = Lane.objects.get(repository="till").fence
    later(world)
    assert states(world) == ["reverted", "reverted"]
    assert (hub.count("PUT"), len(hub.pulls), hub.git("show", "main:till.py")) == (1, 1, "total = 1")
    assert told(world).count("delivery.change.reverted") == 2
    with tenant_scope(world.tenant.schema):
        assert not Errand.objects.exists()
        assert Lane.objects.get(repository="till").fence == before + 1
        ConsumerCursor.objects.filter(consumer="agents.reverts").update(position=0)
    later(world)
    assert hub.count("PUT") == 1, "told once more, nothing follows"


def test_a_revert_that_comes_to_nothing_says_so_and_whoever_lost_the_lane_does_not(
    world: World, hub: GitHubServer
) -> None:
    change, gone = merged_there(world, hub), made(world, 2, "gone", "a" * 40, "b" * 40)
    hub.limited = 10_000
    ask_back(world, change, gone)
    later(world, timedelta(minutes=59))
    assert "delivery.change.revert_failed" not in told(world), "it is tried for an hour"
    with tenant_scope(world.tenant.schema):
        lane = Lane.objects.get(repository="till")
        with pytest.raises(LeaseLost):
            record_failed_revert(actor=world.tenant.system(), change=change, fence=lane.fence - 1, reason="Too late.")
    later(world, timedelta(hours=1))
    assert told(world).count("delivery.change.revert_failed") == 1
    for _ in range(MAX_TRIES):
        later(world)
    assert told(world).count("delivery.change.revert_failed") == 2, "what breaks is given up as well"
    with tenant_scope(world.tenant.schema):
        assert not Errand.objects.exists()
        ConsumerCursor.objects.filter(consumer="agents.reverts").update(position=0)
    hub.limited = 0
    later(world)
    assert states(world) == ["merged", "merged"], "a wish that came to nothing is not a new wish"
    ask_back(world, change)
    assert states(world) == ["reverted", "merged"]


def test_pull_requests_of_dropped_changes_are_closed_and_nothing_of_anybody_else(
    world: World, hub: GitHubServer
) -> None:
    ours, theirs = proposed(world, hub, 1, "guildhall/SHOP-1.1-1"), proposed(world, hub, 2, "ada/rounding")
    hub.limited = 1
    drop(world, ours, theirs)
    assert [pull["state"] for pull in hub.pulls] == ["open", "open"], "GitHub was away"
    later(world)
    assert [pull["state"] for pull in hub.pulls] == ["closed", "open"], "a person's own branch is left alone"
    assert {"guildhall/SHOP-1.1-1", "ada/rounding"} < set(hub.branches())
    assert told(world, "delivery.pull_request") == [ASKED, CLOSED]
    with tenant_scope(world.tenant.schema):
        ConsumerCursor.objects.filter(consumer="agents.pull_requests").update(position=0)
    later(world)
    assert hub.count("PATCH") == 1, "told once more, nothing follows"

    left = proposed(world, hub, 3, "guildhall/SHOP-1.3-1")
    hub.limited = 10_000
    drop(world, left)
    later(world, timedelta(days=1))
    hub.limited = 0
    assert told(world, "delivery.pull_request")[2:] == ["delivery.pull_request.left"]


def test_under_a_kill_switch_over_everything_no_pull_request_is_closed(world: World, hub: GitHubServer) -> None:
    dropped, admin = proposed(world, hub, 1, OURS.format(1)), world.tenant.actor("admin")
    with tenant_scope(world.tenant.schema):
        place_hold(actor=admin, kind="tenant", target="", reason="They all loop.")
    drop(world, dropped)
    assert hub.pulls[0]["state"] == "open"
    with tenant_scope(world.tenant.schema):
        reason = Errand.objects.get().reason
    assert reason.startswith("Nothing is carried out: ")
    assert waits_told(world) == [("change:1", "close", reason)]
    page = signed_in(world.tenant, world.tenant.member("developer")).get("/changes/1/").content.decode()
    assert f"Close a pull request waits: {escape(reason)} It is tried again at" in page
    asks = People(world.tenant).developer
    said = asks.get("changes/1/")
    assert (said["pull_request"]["number"], said["pull_request"]["branch"]) == (1, dropped.branch)
    assert (said["waits"]["kind"], said["waits"]["number"], said["waits"]["reason"]) == ("close", 1, reason)
    assert said["diff"] is None, "its commits were never brought here"
    for url, link in (("https://hub.example/1", "https://hub.example/1"), ("javascript:alert(1)", "")):
        with tenant_scope(world.tenant.schema):
            PullRequest.objects.update(url=url)
        assert asks.get("changes/1/")["pull_request"]["url"] == link
    with tenant_scope(world.tenant.schema):
        lift_hold(actor=admin, kind="tenant", target="")
    later(world)
    assert (hub.pulls[0]["state"], asks.get("changes/1/")["waits"]) == ("closed", None)


def test_a_change_that_comes_back_while_its_pull_request_is_closed_has_an_open_one(
    world: World, hub: GitHubServer
) -> None:
    change = proposed(world, hub, 1, "guildhall/SHOP-1.1-1")
    note = hub.note

    def comes_back(line: str) -> None:
        note(line)
        if line.startswith("PATCH"):
            with tenant_scope(world.tenant.schema):
                row = ChangeRequest.objects.get()
                row.reopen()
                row.save(update_fields=["state"])
            connection.close()

    hub.limited, hub.note = 1, comes_back  # type: ignore[method-assign]
    drop(world, change)
    due(world)
    dies_at(world, "change.note_pull_request")
    later(world)
    assert [pull["state"] for pull in hub.pulls] == ["closed", "open"]
    assert told(world, "delivery.pull_request") == [ASKED, WANTED, OPENED, CLOSED]
    with tenant_scope(world.tenant.schema):
        assert (ChangeRequest.objects.get().state, PullRequest.objects.get().number) == ("open", 2)


def test_a_revert_that_somebody_overtakes_leaves_no_pull_request_behind(world: World, hub: GitHubServer) -> None:
    change, note = merged_there(world, hub), hub.note

    def overtake(line: str) -> None:
        note(line)
        if line.startswith("PUT"):
            hub.commit("main", {"till.py": b"total = 2\n"}, [hub.head()])

    hub.note = overtake  # type: ignore[method-assign]
    ask_back(world, change)
    later(world)
    assert ([pull["state"] for pull in hub.pulls], states(world)) == (["closed"], ["merged"])
    assert told(world, "delivery.pull_request") == [WANTED, ASKED, CLOSED]
    assert told(world)[-1] == "delivery.change.revert_failed", "what was written since is in its way"
    assert hub.git("show", "main:till.py") == "total = 2"


def test_git_in_trouble_is_no_verdict_on_a_revert_and_names_no_folder(world: World, tmp_path: Path) -> None:
    change = merged_here(world, tmp_path)
    with tenant_scope(world.tenant.schema):
        objects = repository_folder("shop") / "objects"
    objects.rename(objects.with_name("aside"))
    ask_back(world, change)
    with tenant_scope(world.tenant.schema):
        waits = Errand.objects.get()
    assert (waits.tries, "/" in waits.reason, told(world)[-1]) == (1, False, "delivery.change.revert_requested")
    objects.with_name("aside").rename(objects)
    later(world)
    assert states(world) == ["reverted"]


def test_no_connection_waits_for_a_forge_and_a_merge_that_waits_tells_once_that_its_token_was_opened(
    world: World, hub: GitHubServer
) -> None:
    held, caller, note = dict[str, bool](), connections["default"], hub.note

    def look(line: str) -> None:
        note(line)
        held[line] = held.get(line, False) or caller.connection is not None

    dropped, back = proposed(world, hub, 1, OURS.format(1)), merged_there(world, hub, 2)
    hub.note = look  # type: ignore[method-assign]
    drop(world, dropped)
    ask_back(world, back)
    assert [pull["state"] for pull in hub.pulls] == ["closed", "closed"]
    change = proposed(world, hub, 3, OURS.format(3))
    hub.limited = 2
    with tenant_scope(world.tenant.schema):
        binding = {"commit_sha": change.head_sha, "base_sha": change.base_sha, "diff_hash": change.diff_hash}
        about = {"kind": "merge", "subject": f"task:{change.task}", "title": "Merge it", "risk": "low"}
        asked = request_approval(actor=world.tenant.system(), binding=binding, **about)
        merge = {"kind": ErrandKind.MERGE, "number": asked.number, "repository": "till"}
        Errand.objects.create(event=10**9, asked_at=Now(), **merge)
    before = told(world, "delivery.secret.read")
    for waits in (1, 1, 0):
        later(world)
        with tenant_scope(world.tenant.schema):
            assert Errand.objects.count() == waits
    assert len(told(world, "delivery.secret.read")) == len(before) + 1, "however often it is tried"
    assert {line.split()[0] for line in held} > {"GET", "PATCH", "PUT"}
    assert [line for line, was in held.items() if was] == []
