"""What the platform closes at GitHub is in the trail before GitHub hears of it, and once, whenever its worker dies."""

from typing import Any

import pytest

from gpu_workers.actions.leases import LeaseLost
from gpu_workers.actions.pull_requests import (
    ask_to_close_pull_request,
    record_closed_pull_request,
    record_left_pull_request,
)
from gpu_workers.models import Lane
from guildhall.evidence.auditing import verify_own
from guildhall.evidence.models import ConsumerCursor
from guildhall.evidence.selectors import recent
from guildhall.evidence.tests.poking import seal
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.github import GitHubServer
from tests.support.errands import ASKED, CLOSED, OURS, dies_at, drop, due, later, proposed, told
from tests.support.world import World

pytestmark = pytest.mark.integration


def closings(world: World) -> list[str]:
    return told(world, "delivery.pull_request")


def test_what_is_closed_at_github_is_in_the_trail_once_whoever_dies(world: World, hub: GitHubServer) -> None:
    dropped = proposed(world, hub, 1, OURS.format(1))
    hub.limited = 1
    drop(world, dropped)
    for boundary, said in (("change.ask_to_close_pull_request", []), ("change.close_pull_request", [ASKED])):
        due(world)
        dies_at(world, boundary)
        assert (closings(world), hub.count("PATCH")) == (said, len(said))
    with tenant_scope(world.tenant.schema):
        lost = Lane.objects.get(repository="till").fence - 1
        about: dict[str, Any] = {"actor": world.tenant.system(), "change": dropped, "fence": lost}
        with pytest.raises(LeaseLost):
            ask_to_close_pull_request(number=1, **about)
        with pytest.raises(LeaseLost):
            record_closed_pull_request(number=1, **about)
        with pytest.raises(LeaseLost):
            record_left_pull_request(branch=dropped.branch, reason="Too late.", **about)
    later(world)
    with tenant_scope(world.tenant.schema):
        ConsumerCursor.objects.filter(consumer="agents.pull_requests").update(position=0)
    later(world)
    assert (closings(world), hub.count("PATCH")) == ([ASKED, CLOSED], 1), "told once more, nothing follows"

    merged, note = proposed(world, hub, 2, OURS.format(2)), hub.note

    def refuse(line: str) -> None:
        note(line)
        hub.limited = int(line.startswith("PATCH"))

    hub.note = refuse  # type: ignore[method-assign]
    drop(world, merged)
    later(world)
    assert (closings(world)[2:], hub.count("PATCH")) == ([ASKED], 3), "however often it is tried"
    hub.pulls[1].update(state="closed", merged=True)
    later(world)
    assert closings(world)[2:] == [ASKED], "what somebody merged meanwhile was not closed"
    seal()
    with tenant_scope(world.tenant.schema):
        said = [row["sentence"] for row in reversed(recent(kinds=[ASKED, CLOSED]))]
        assert verify_own(world.tenant.actor("admin")).broken is None
    asked, closed = "asked GitHub to close pull request #{0} of change {0}", "closed pull request #{0} of change {0}"
    assert said == [asked.format(1), closed.format(1), asked.format(2)]
