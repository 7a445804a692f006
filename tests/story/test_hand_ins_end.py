"""Every hand-in comes to an end: through deaths, kill switches, a forge that is away, errors, and people who take it back."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from governance.actions.holds import lift_hold, place_hold
from gpu_workers import ci_runs, hand_in_work
from gpu_workers.actions.forges import Heard, hear
from gpu_workers.actions.hand_ins import withdraw_hand_in
from gpu_workers.folders import repository_folder
from gpu_workers.forges import opening, putting_up
from gpu_workers.forges.github import GitHub
from gpu_workers.hand_in_work import HandInWork
from gpu_workers.handing_in import MAX_DEATHS, MAX_TRIES, carry_out_hand_in, waiting_hand_ins
from gpu_workers.models import ChangeRequest, CIRun, ForgeConnection, HandIn
from gpu_workers.repos import GitError
from gpu_workers.repos.repository import branch_head
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.errors import Conflict, Denied, Invalid
from tests.fakes.github import GitHubServer
from tests.story.test_handed_in_by_people import BEFORE, FILES, RIGHT, act, hand_in, patch_of
from tests.story.test_handed_in_on_github import carried_out, connected
from tests.support.errands import OPENED, WANTED, told
from tests.support.evidence import secret_reads
from tests.support.mortal import DIED, in_child
from tests.support.tenants import TestTenant
from tests.support.world import World
from workflows.models import Task

pytestmark = pytest.mark.integration
LOUD = patch_of("shout.py", BEFORE, RIGHT)
LOUDER = LOUD + patch_of("notes.txt", "", "Loud.\n")
HERE = "/srv/guildhall/repositories/echo.git"
BOUNDARIES = (
    (hand_in_work, "commit_patch"),
    (ci_runs, "run_ci"),
    (hand_in_work, "keep_ci"),
    (GitHub, "publish"),
    (GitHub, "checks"),
    (putting_up, "record_ci"),
    (hand_in_work, "hand_over"),
    (opening, "ask_to_open_pull_request"),
    (GitHub, "propose"),
    (opening, "note_pull_request"),
)
"""What a hand-in's worker does, in order: each is dear, or seen by others."""


@pytest.fixture
def hub(tmp_path: Path, settings: Any) -> Iterator[GitHubServer]:
    settings.FORGE_LOOPBACK = True
    with GitHubServer(tmp_path / "hub") as server:
        server.start(FILES)
        server.opinion = lambda sha: server.judge(sha, "success")
        yield server


@contextmanager
def right_after(place: tuple[Any, str], what: Callable[[], object]) -> Iterator[None]:
    """Have `what` happen as soon as this was done."""
    real = getattr(*place)

    def followed(*args: Any, **more: Any) -> Any:
        found = real(*args, **more)
        what()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*place, followed)
        yield


def leased(world: World, left: timedelta) -> timedelta:
    """Have the claim on the task run for so long from now on; how long it would have."""
    with world.tenant.scope():
        task = Task.objects.get()
        Task.objects.update(lease_until=Now() + left)
        assert task.lease_until is not None
        return task.lease_until - datetime.now(UTC)


def there(hub: GitHubServer) -> list[object]:
    """What others see of the work."""
    changes = list(ChangeRequest.objects.values_list("head_sha", flat=True))
    return [changes, len(hub.pulls), *((branch, hub.head(branch)) for branch in hub.branches())]


def test_killed_after_anything_it_did_a_worker_is_followed_by_one_that_does_nothing_twice(
    tenant: TestTenant, hub: GitHubServer
) -> None:
    world, task = connected(tenant, hub)
    ada = tenant.actor("developer", name="ada")
    act(world, ada, "claim_task")
    leased(world, timedelta(minutes=1))
    made = hand_in(world, ada, LOUD)
    assert leased(world, timedelta()) > timedelta(hours=7), "who hands in has the task for another working day"

    shas = set()

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        with tenant.scope():
            carry_out_hand_in(made.pk)

    for place in BOUNDARIES:
        with right_after(place, die):
            assert in_child(work) == DIED, place
        with tenant.scope():
            assert waiting_hand_ins() == [], "its lease is held"
            HandIn.objects.update(lease_until=Now())
            made.refresh_from_db()
            shas.add(branch_head(repository_folder("echo"), made.branch))
    assert len(shas) == 1, "made again, it is the same commit"
    done = carried_out(world, made)
    assert (done.state, done.fence) == ("green", len(BOUNDARIES) + 1), done.reason
    with tenant.scope():
        assert ChangeRequest.objects.get(task=task.reference).head_sha == done.head_sha
        assert list(CIRun.objects.values_list("sha", flat=True)) == [done.head_sha] * 2, "ours and GitHub's"
        uses = [read[3] for read in secret_reads() if "hand-in" in read[3]]
        assert uses == [f"hand-in {made.pk} of {task.reference}"], "one use of the token, however often it is tried"
    assert (hub.count("POST"), len(hub.pulls), hub.head(done.branch)) == (1, 1, done.head_sha)
    assert told(world, "delivery.pull_request") == [WANTED, OPENED], "asked for before it is opened, and once"
    leased(world, timedelta(minutes=1))
    made = hand_in(world, ada, LOUDER)
    with tenant.scope():
        HandIn.objects.filter(pk=made.pk).update(tries=MAX_DEATHS)
    assert "without a word" in carried_out(world, made).reason, (
        "one that kills each of its workers is not tried for ever"
    )


def test_a_kill_switch_and_a_lost_lease_are_heeded_before_each_thing_that_others_see(
    tenant: TestTenant, hub: GitHubServer
) -> None:
    world, _ = connected(tenant, hub)
    ada, admin = tenant.actor("developer", name="ada"), tenant.actor("admin")
    act(world, ada, "claim_task")
    seen: list[object] = []

    def hold() -> None:
        place_hold(actor=admin, kind="tenant", target="", reason="Everything stops now.")
        seen[:] = there(hub)

    def rob() -> None:
        HandIn.objects.filter(state="waiting").update(fence=F("fence") + 1)
        seen[:] = there(hub)

    for patch, disturb in ((LOUD, hold), (LOUDER, rob)):
        made = hand_in(world, ada, patch)
        for place in ((hand_in_work, "keep_ci"), (GitHub, "checks"), (hand_in_work, "hand_over")):
            with right_after(place, disturb):
                made = carried_out(world, made)
            with tenant.scope():
                assert (made.state, there(hub)) == ("waiting", seen), (place, disturb, made.reason)
                if disturb is hold:
                    assert "Everything stops now" in made.reason
                    fence = made.fence
                    assert carried_out(world, made).fence == fence, "it is not even taken"
                    lift_hold(actor=admin, kind="tenant", target="")
                HandIn.objects.filter(pk=made.pk).update(lease_until=None)
        with pytest.raises(Invalid, match="CI"):
            # Its change is there, and no pull request of it yet.
            act(world, ada, "commit_code", commit_sha=made.head_sha)
        assert carried_out(world, made).state == "green"
    assert len(hub.pulls) == 1


def test_it_waits_an_hour_at_most_says_for_what_and_stands_in_nobodys_way(
    tenant: TestTenant, hub: GitHubServer
) -> None:
    world, _ = connected(tenant, hub)
    ada, bob = tenant.actor("developer", name="ada"), tenant.actor("developer", name="bob")
    act(world, ada, "claim_task")
    hub.opinion = lambda sha: None
    made = carried_out(world, hand_in(world, ada, LOUD))
    assert (made.state, made.reason) == ("waiting", f"GitHub's checks on {made.head_sha[:12]} have not all ended.")
    first = due_in(world, made)
    waited(world, made, minutes=20)
    made = carried_out(world, made)
    assert due_in(world, made) > 5 * first, "it looks ever more seldom"
    with tenant.scope():
        heard = Heard("delivery-1", "0" * 64, "check_run", made.head_sha)
        hear(actor=system_actor("forge", tenant.schema), connection=ForgeConnection.objects.get(), heard=heard)
        assert waiting_hand_ins() == [made.pk], "until it is told"
        assert len([read for read in secret_reads() if "hand-in" in read[3]]) == 1, "no row for each look"
    for held in (due_and_held, held_while_it_looks):
        waited(world, made, minutes=61)
        held(world, made)
        made = carried_out(world, made)
        assert (made.state, made.waiting_since is None) == ("waiting", False), (
            "what a kill switch stops waits for nobody"
        )
    waited(world, made, minutes=61)
    made = carried_out(world, made)
    assert made.state == "refused"
    assert made.reason.startswith("Given up after an hour of waiting. GitHub's checks on")
    broken(world, hub, ada)
    made = hand_in(world, ada, LOUDER)
    act(world, ada, "release")
    act(world, bob, "claim_task")
    new = hand_in(world, bob, LOUD)
    with tenant.scope():
        assert HandIn.objects.get(pk=made.pk).state == "withdrawn", "the claim that it came under is over"
    taken_back(world, hub, bob, new)


def due_and_held(world: World, made: HandIn) -> None:
    admin = world.tenant.actor("admin")
    with world.tenant.scope():
        place_hold(actor=admin, kind="tenant", target="", reason="Everything stops now.")
        carried_out(world, made)
        lift_hold(actor=admin, kind="tenant", target="")


def held_while_it_looks(world: World, made: HandIn) -> None:
    admin = world.tenant.actor("admin")

    def hold() -> None:
        place_hold(actor=admin, kind="tenant", target="", reason="Everything stops now.")

    with right_after((HandInWork, "_ci"), hold):
        made = carried_out(world, made)
    assert "Everything stops now" in made.reason
    with world.tenant.scope():
        lift_hold(actor=admin, kind="tenant", target="")


def due_in(world: World, made: HandIn) -> timedelta:
    with world.tenant.scope():
        found: timedelta = HandIn.objects.annotate(rest=F("retry_at") - Now()).get(pk=made.pk).rest
    return found


def waited(world: World, made: HandIn, *, minutes: int) -> None:
    with world.tenant.scope():
        HandIn.objects.filter(pk=made.pk).update(waiting_since=Now() - timedelta(minutes=minutes))


def broken(world: World, hub: GitHubServer, ada: Actor) -> None:
    """Errors of ours are tried again, a few times; nobody reads git's words or this machine's folders."""
    made = hand_in(world, ada, LOUD)
    for error in (ValueError("caf\0"), OSError(28, "No space left", HERE), GitError(f"fatal: {HERE}: Bad", 128)):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hand_in_work, "commit_patch", fail)
            made = carried_out(world, made)
        assert (made.state, "tried again" in made.reason, HERE in made.reason) == ("waiting", True, False), error
    with world.tenant.scope():
        HandIn.objects.filter(pk=made.pk).update(tries=MAX_TRIES - 1)
    with right_after((hand_in_work, "commit_patch"), lambda: fail()):
        made = carried_out(world, made)
    assert (made.state, "Tell an admin" in made.reason, HERE in made.reason) == ("refused", True, False)
    verdict = GitError("'x' is there twice and cannot be checked out.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hand_in_work, "commit_patch", lambda *_: fail(error=verdict))
        made = carried_out(world, hand_in(world, ada, LOUD))
    assert (made.state, made.reason) == ("refused", str(verdict))
    made, right = hand_in(world, ada, LOUD), hub.token
    hub.token = "another-token"
    made, hub.token = carried_out(world, made), right
    assert (made.state, "does not accept the token" in made.reason, "/" in made.reason) == ("waiting", True, False)
    hook = hub.repo / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    made = carried_out(world, made)
    hook.unlink()
    assert made.reason == "The forge does not take what is pushed: pre-receive hook declined."
    assert made.state == "refused", "asking again changes nothing"


def taken_back(world: World, hub: GitHubServer, bob: Actor, made: HandIn) -> None:
    """While a worker is at it: what it does ends before anybody sees it."""
    with world.tenant.scope():
        with pytest.raises(Denied, match="bob"):
            withdraw_hand_in(actor=world.tenant.actor("developer", name="cid"), hand_in=made)
        before = there(hub)

    def withdraw() -> None:
        withdraw_hand_in(actor=world.tenant.actor("product_owner"), hand_in=made)

    with right_after((hand_in_work, "keep_ci"), withdraw):
        made = carried_out(world, made)
    with world.tenant.scope():
        assert (made.state, made.patch, there(hub)) == ("withdrawn", "", before)
        with pytest.raises(Conflict, match="not in work"):
            withdraw_hand_in(actor=bob, hand_in=made)
