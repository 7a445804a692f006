"""What the platform opens at GitHub is in the trail before GitHub hears of it, and is found and told once, whoever dies."""

from datetime import timedelta
from functools import partial

import pytest
from django.db.models.functions import Now

from gpu_workers.actions.hand_ins import settle_hand_in
from gpu_workers.actions.runs import cancel_run
from gpu_workers.errands import closings, serve
from gpu_workers.forges.choosing import forge_of
from gpu_workers.forges.putting_up import Effort, put_up
from gpu_workers.forges.vault import Opening
from gpu_workers.models import Agent, ChangeRequest, Errand, HandIn, PullRequest, Run
from gpu_workers.models.hand_in import HandInState
from gpu_workers.selectors import repository_named
from guildhall.evidence.auditing import verify_own
from guildhall.evidence.models import ConsumerCursor
from guildhall.evidence.tests.poking import seal
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.github import GitHubServer
from tests.support.clients import signed_in
from tests.support.errands import (
    ASKED,
    CLOSED,
    OPENED,
    OURS,
    WANTED,
    dies,
    dies_asking,
    dies_at,
    drop,
    due,
    go_on,
    later,
    pushed,
    states,
    told,
)
from tests.support.tenants import TestTenant
from tests.support.world import World

pytestmark = pytest.mark.integration
AGAIN = "guildhall/SHOP-1.{}-2"
"""The branch of a task's second run."""


def put_there(number: int, branch: str) -> None:
    """What a run does that has its change put up from its branch."""
    change, agent = ChangeRequest.objects.get(number=number), Agent.objects.filter(kind="dev")[0].actor()
    repository = repository_named("till")
    forge = forge_of(repository, Opening(agent, "a pull request"))
    put_up(Effort(agent, repository, forge, lambda: None, str), change, branch, change.head_sha)


def cancelled(world: World, number: int) -> None:
    """Somebody cancels the run that works on the task of a change."""
    with tenant_scope(world.tenant.schema):
        about = {"subject": f"task:SHOP-1.{number}", "story": "story:SHOP-1", "repository": "till"}
        run = Run.objects.create(number=number, kind="work", agent=Agent.objects.filter(kind="dev")[0], **about)
        cancel_run(actor=world.owner, run=run, reason="Another one is to do it.")
    go_on(world)


def openings(world: World) -> list[str]:
    return told(world, "delivery.pull_request")


def test_what_a_cancelled_run_had_opened_is_found_and_told_once_whoever_dies(
    world: World, hub: GitHubServer, other_tenant: TestTenant
) -> None:
    branch = OURS.format(1)
    pushed(world, hub, 1, branch)
    dies(world, "change.ask_to_open_pull_request", lambda: put_there(1, branch))
    assert (openings(world), hub.count("POST")) == ([], 0), "GitHub hears of nothing that is not in the trail"
    for _ in range(2):
        dies(world, "change.note_pull_request", lambda: put_there(1, branch))
        assert (openings(world), hub.count("POST")) == ([WANTED], 1)
    with tenant_scope(world.tenant.schema):
        assert not PullRequest.objects.exists()

    hub.limited = 1
    cancelled(world, 1)
    page = signed_in(world.tenant, world.tenant.member("developer")).get("/changes/1/").content.decode()
    assert "Look for its pull request waits: The forge allows no more calls" in page
    with tenant_scope(other_tenant.schema):
        serve("till")
    due(world)
    dies_at(world, "change.note_pull_request")
    assert openings(world) == [WANTED]
    later(world)
    assert (openings(world), [pull["state"] for pull in hub.pulls]) == ([WANTED, OPENED], ["open"])
    calls = len(hub.journal)
    with tenant_scope(world.tenant.schema):
        assert (PullRequest.objects.get().number, Errand.objects.exists()) == (1, False)
        ConsumerCursor.objects.filter(consumer="agents.sought_pull_requests").update(position=0)
    later(world)
    assert len(hub.journal) == calls, "told once more, nobody looks"
    with tenant_scope(world.tenant.schema):
        put_there(1, AGAIN.format(1))
    assert (len(hub.pulls), openings(world)) == (1, [WANTED, OPENED]), "the next run goes on in it"
    seal()
    with tenant_scope(world.tenant.schema):
        assert verify_own(world.tenant.actor("admin")).broken is None


def test_what_a_dead_run_had_opened_of_a_dropped_change_is_closed_wherever_its_task_went_on(
    world: World, hub: GitHubServer
) -> None:
    branch = OURS.format(1)
    change = pushed(world, hub, 1, branch)
    dies(world, "change.note_pull_request", lambda: put_there(1, branch))
    with tenant_scope(world.tenant.schema):
        ChangeRequest.objects.update(branch=AGAIN.format(1))
        change.refresh_from_db()
    drop(world, change)
    cancelled(world, 1)
    assert ([pull["state"] for pull in hub.pulls], states(world)) == (["closed"], ["closed"])
    assert openings(world) == [WANTED, OPENED, ASKED, CLOSED]
    later(world)
    assert (openings(world)[4:], hub.count("PATCH")) == ([], 1), "that it was found open has it closed, once"


def test_what_may_be_opened_at_this_moment_is_looked_for_until_it_cannot_be(
    world: World, hub: GitHubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        pushed(world, hub, number, OURS.format(number))
        dies_asking(world, "POST", partial(put_there, number, OURS.format(number)))
    cancelled(world, 1)
    with tenant_scope(world.tenant.schema):
        # Of what a person had handed in and put up, nothing is written down either.
        about = {"task": "SHOP-1.2", "story": "story:SHOP-1", "title": "It", "repository": "till", "digest": "0" * 64}
        row = HandIn.objects.create(person="member:ada", person_name="Ada", claim_token=1, **about)
        settle_hand_in(actor=world.tenant.system(), hand_in=row, fence=0, state=HandInState.REFUSED, reason="Too long.")
    go_on(world)
    with tenant_scope(world.tenant.schema):
        assert [errand.reason for errand in Errand.objects.all()] == [closings.MOMENTS] * 2, "its worker may be alive"
    slow = OURS.format(1)
    hub.pulls.append({"number": 1, "html_url": "", "state": "open", "merged": False, "merge_commit_sha": None,
                      "title": "", "body": "", "head": {"ref": slow}, "base": {"ref": "main"}})  # fmt: skip
    later(world)
    assert openings(world) == [WANTED, WANTED, OPENED]
    monkeypatch.setattr(closings, "UNDER_WAY", timedelta())
    for over, waits in ((timedelta(hours=1), True), (timedelta(), False)):
        with tenant_scope(world.tenant.schema):
            # The trail has the first ask alone: who tried again came to an end later than that.
            Errand.objects.update(asked_at=Now() + over)
        later(world)
        with tenant_scope(world.tenant.schema):
            assert Errand.objects.exists() is waits
    with tenant_scope(world.tenant.schema):
        assert PullRequest.objects.get().branch == slow
