"""Bad input, strangers, stale pages and races: refused with a reason, nothing half-written."""

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from governance.actions.approvals import decide_approval
from governance.actions.limits import set_limit
from governance.scopes import ScopeKind, Window
from governance.selectors import latest_approval
from guildhall.evidence.selectors import head_position, trail
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, GuildhallError, Invalid, NotFound, Stale
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.actions import complete_task, edit_story, release_expired_claims, renew_claim, transition_task
from workflows.actions.bulk import do_to_many
from workflows.machines import MergeReceipt
from workflows.models import Story, Task, TaskPart
from workflows.planning import TaskDraft
from workflows.selectors import find_story, find_task, stories_visible_to
from workflows.tests.world import World

pytestmark = pytest.mark.integration


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each returned or refused with, having started together."""
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(place: int, work: Callable[[], Any]) -> None:
        barrier.wait(timeout=120)
        try:
            results[place] = work()
        except GuildhallError as error:
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


@pytest.fixture(scope="module")
def standing(make_tenant: Callable[..., TestTenant]) -> World:
    """A project for tests of what is refused whatever else is there: one for all of them."""
    return World(make_tenant())


def test_of_two_claimers_one_wins(world: World) -> None:
    _, (task,) = world.committed()
    rivals = [world.tenant.agent("developer", name) for name in ("mason", "piper", "quinn")]
    results = at_once(*(lambda actor=actor: world.act(task, "claim_task", actor) for actor in rivals))
    won = [result for result in results if isinstance(result, Task)]
    lost = [result for result in results if isinstance(result, Conflict)]
    assert (len(won), len(lost)) == (1, 2)
    with tenant_scope(world.tenant.schema):
        assert TaskPart.objects.filter(task=task).count() == 1


def test_a_receipt_that_two_hand_in_at_once_ends_the_task_once_and_refuses_nobody(world: World) -> None:
    _, (task,) = world.committed()
    world.to_approval(task)
    world.settle()
    with tenant_scope(world.tenant.schema):
        asked = latest_approval(task.ref)
        assert asked is not None
        digest = asked.binding_hash
        decide_approval(actor=world.po, approval=asked.number, decision="approve", binding_hash=digest)
    world.settle()

    def hand_in() -> Task:
        with tenant_scope(world.tenant.schema):
            return complete_task(actor=world.system, task=task, receipt=MergeReceipt("c1", "m"))

    results = at_once(*[hand_in] * 6)
    assert [getattr(result, "state", result) for result in results] == ["done"] * 6
    with tenant_scope(world.tenant.schema):
        told = [line["event"] for line in trail([task.ref]) if line["kind"] == "workflow.task.transitioned"]
        assert [event["to_state"] for event in told].count("done") == 1


def test_stories_written_at_once_get_different_numbers(world: World) -> None:
    results = at_once(*[world.write] * 4)
    assert sorted(story.number for story in results) == [1, 2, 3, 4]


def test_an_edit_of_an_old_version_is_stale(world: World) -> None:
    story = world.write()
    with tenant_scope(world.tenant.schema):
        edited = edit_story(actor=world.po, story=story, content={"title": "Answer late returns"}, version=1)
        assert edited.version == 2
        with pytest.raises(Stale, match="version 1, it is at 2"):
            edit_story(actor=world.developer, story=story, content={"title": "Lost update"}, version=1)
        assert Story.objects.get(pk=story.pk).title == "Answer late returns"
    with pytest.raises(Stale):
        world.move(story, "submit", world.developer, version=1)


def test_readiness_is_scored_anew_and_gates_planning(world: World) -> None:
    story = world.write(acceptance=[], depends_on=None)
    assert story.dor_score == 65
    world.move(story, "submit", world.developer)
    world.move(story, "approve_scope", world.po)
    with pytest.raises(Conflict, match="65 of 100"):
        world.move(story, "derive_tasks", world.architect, add=[TaskDraft("Write it", "developer")])
    with tenant_scope(world.tenant.schema):
        assert edit_story(actor=world.po, story=story, content={"depends_on": []}).dor_score == 75


def test_a_lease_that_ended_frees_the_task_and_fences_its_holder(world: World) -> None:
    _, (task,) = world.committed()
    claimed = world.act(task, "claim_task", world.mason)
    with tenant_scope(world.tenant.schema):
        assert release_expired_claims(actor=world.system) == 0
        with pytest.raises(Conflict, match="has not run out"):
            transition_task(actor=world.system, task=claimed, name="release")
        renewed = renew_claim(actor=world.mason, task=claimed, claim_token=claimed.claim_token)
        assert renewed.lease_until > claimed.lease_until  # type: ignore[operator]
        Task.objects.filter(pk=task.pk).update(lease_until=Now() - timedelta(seconds=1))
    with pytest.raises(Conflict, match="run out"):
        world.hand_in(task, "c1")
    with tenant_scope(world.tenant.schema):
        for who, token in ((world.mason, claimed.claim_token - 1), (world.developer, claimed.claim_token)):
            with pytest.raises(Conflict, match="not this one any more"):
                renew_claim(actor=who, task=claimed, claim_token=token)
        assert release_expired_claims(actor=world.system) == 1
        assert release_expired_claims(actor=world.system) == 0
    again = world.act(task, "claim_task", world.mason)
    assert again.claim_token > claimed.claim_token
    with pytest.raises(Conflict, match="not this one any more"):
        world.act(task, "commit_code", world.mason, commit_sha=world.ci.green("c1"), claim_token=claimed.claim_token)
    with tenant_scope(world.tenant.schema), pytest.raises(Conflict):
        renew_claim(actor=world.mason, task=again, claim_token=claimed.claim_token)


@pytest.mark.parametrize(("name", "error"), [("fly", Invalid), ("accept", Conflict), ("approve_scope", Conflict)])
def test_unknown_and_untimely_acts_change_nothing(standing: World, name: str, error: type[GuildhallError]) -> None:
    story = standing.write()
    with tenant_scope(standing.tenant.schema):
        before = head_position()
    with pytest.raises(error):
        standing.move(story, name, standing.po)
    assert standing.state(story) == "draft"
    with tenant_scope(standing.tenant.schema):
        assert head_position() == before


def test_the_wrong_role_is_refused_with_the_reason(world: World) -> None:
    story = world.write()
    world.move(story, "submit", world.developer)
    for role in ("developer", "architect", "qa", "viewer", "admin", "client"):
        with pytest.raises((Denied, NotFound)):
            world.move(story, "approve_scope", world.tenant.actor(role))
    assert world.state(story) == "po_review"


def test_no_commit_counts_that_ci_does_not_know(world: World) -> None:
    _, (task,) = world.committed()
    world.act(task, "claim_task", world.mason)
    with pytest.raises(Invalid, match="CI on madeup is none"):
        world.act(task, "commit_code", world.mason, commit_sha="madeup")


def test_a_story_that_cannot_be_paid_for_is_not_committed(world: World) -> None:
    with tenant_scope(world.tenant.schema):
        set_limit(
            actor=world.system, kind=ScopeKind.PROJECT, scope_id="SHOP", window=Window.TOTAL, amount=Decimal("0.1")
        )
    with pytest.raises(Conflict, match=r"0.1 USD is left in the total limit of project SHOP; this needs 0.4"):
        world.committed()


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"size": "XXL"}, "size"),
        ({"priority": "asap"}, "priority"),
        ({"budget_usd": Decimal("-1")}, "budget_usd"),
        ({"budget_usd": Decimal("NaN")}, "budget_usd"),
        ({"depends_on": ["SHOP-404"]}, "depends_on"),
        ({"state": "done"}, "state"),
    ],
)
def test_bad_content_names_its_field(standing: World, content: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        standing.write(**content)
    assert list(refused.value.fields) == [field]


def test_stories_do_not_wait_for_each_other(world: World) -> None:
    first = world.write()
    second = world.write(depends_on=["SHOP-1"])
    with tenant_scope(world.tenant.schema):
        with pytest.raises(Invalid, match="wait for each other"):
            edit_story(actor=world.po, story=first, content={"depends_on": [second.reference]})
        assert not first.dependencies.exists()


def test_the_database_itself_keeps_parts_apart_and_states_known(world: World) -> None:
    _, (task,) = world.committed()
    world.act(task, "claim_task", world.mason)
    with tenant_scope(world.tenant.schema):
        for columns in (
            {"reviewer": world.mason.ref},
            {"approver": world.mason.ref},
            {"state": "finished"},
            {"state": "done"},
            {"holder": ""},
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                Task.objects.filter(pk=task.pk).update(**columns)
        with pytest.raises(IntegrityError), transaction.atomic():
            TaskPart.objects.create(task=task, actor=world.mason.ref, actor_name="Mason", part="reviewer")


def test_another_tenant_sees_and_moves_nothing(world: World, other_tenant: TestTenant) -> None:
    story, (task,) = world.committed()
    stranger = other_tenant.actor("product_owner")
    with tenant_scope(other_tenant.schema):
        assert not stories_visible_to(stranger).exists()
        with pytest.raises(NotFound):
            find_story(stranger, story.reference)
        with pytest.raises(NotFound):
            find_task(stranger, task.reference)
    with tenant_scope(world.tenant.schema), pytest.raises(RuntimeError, match="cannot act"):
        transition_task(actor=stranger, task=task, name="discard_task")
    with tenant_scope(other_tenant.schema), pytest.raises(NotFound):
        transition_task(actor=stranger, task=task, name="discard_task")


def test_a_client_sees_only_what_is_theirs_and_shown(world: World) -> None:
    world.project.client = "client:acme"
    with tenant_scope(world.tenant.schema):
        world.project.save(update_fields=["client"])
    shown, hidden = world.write(client_visible=True), world.write()
    member = world.tenant.actor("client")

    def client(ref: str | None) -> Actor:
        return Actor(member.kind, member.id, member.name, member.tenant, member.roles, client=ref)

    with tenant_scope(world.tenant.schema):
        assert [story.pk for story in stories_visible_to(client("client:acme"))] == [shown.pk]
        assert not stories_visible_to(client("client:other")).exists()
        assert not stories_visible_to(client(None)).exists()
        with pytest.raises(NotFound) as secret:
            find_story(client("client:acme"), hidden.reference)
        with pytest.raises(NotFound) as missing:
            find_story(client("client:acme"), "SHOP-404")
        assert secret.value.detail.replace(hidden.reference, "") == missing.value.detail.replace("SHOP-404", "")
    with pytest.raises(NotFound):
        world.move(hidden, "submit", client("client:acme"))


def test_who_sees_a_settled_story_and_how_urgent_it_is_may_change_and_nothing_of_its_scope(standing: World) -> None:
    story, _ = standing.committed(client_visible=True)
    with tenant_scope(standing.tenant.schema):
        [kept] = [row for row in trail([story.ref], 20) if "commit" in str(row)][:1]
        for content in ({"title": "Other"}, {"client_visible": False, "budget_usd": Decimal(9)}):
            with pytest.raises(Conflict, match="settled; reset it to draft to change more than"):
                edit_story(actor=standing.po, story=story, content=content)  # type: ignore[arg-type]
        hidden = edit_story(
            actor=standing.po, story=story, content={"client_visible": False, "business_notes": "Hush."}
        )
        assert (hidden.client_visible, hidden.state, hidden.title) == (False, "ready_for_execution", story.title)
        [done] = do_to_many(actor=standing.po, references=[story.reference], do="priority", value="high")
        assert done.done
        assert kept in list(trail([story.ref], 20)), "what was approved is told as it was"
        assert "client_visible" in str(trail([story.ref], 20)[1])
        Story.objects.filter(pk=story.pk).update(state="archived")
        with pytest.raises(Conflict, match="archived"):
            edit_story(actor=standing.po, story=story, content={"client_visible": True})
