"""A story from draft to closed on committed data, and what sends it back."""

import re
from dataclasses import replace

import pytest
from django.db import connection

from governance.actions.approvals import decide_approval
from governance.scopes import ScopeKind
from governance.selectors import budgets, latest_approval
from guildhall.evidence.selectors import events_after, trail
from guildhall.kernel.errors import Conflict, Denied, Invalid
from guildhall.kernel.tenancy import tenant_scope
from workflows.actions import (
    add_task,
    complete_task,
    edit_proposal,
    edit_task,
    mark_approved,
    rebind_task,
    record_proposal,
)
from workflows.machines import MergeReceipt, TestReport
from workflows.models import Story, Task
from workflows.planning import DerivationFailed, Derived, TaskDraft
from workflows.rebuilding import compare
from workflows.selectors import activity, offers_for, pending_for
from workflows.selectors.facts import standing_tasks, task_facts
from workflows.selectors.lists import claimable
from workflows.tests.world import CRITERION, World

pytestmark = pytest.mark.integration
SAID = "The answer leaves out the return period."


def decide(world: World, task: Task, decision: str, feedback: str = "") -> None:
    with tenant_scope(world.tenant.schema):
        asked = latest_approval(task.ref)
        assert asked is not None
        decide_approval(
            actor=world.po,
            approval=asked.number,
            decision=decision,
            binding_hash=asked.binding_hash,
            feedback=feedback,
        )
    world.settle()


def merge(world: World, task: Task, sha: str) -> None:
    with tenant_scope(world.tenant.schema):
        complete_task(actor=world.system, task=task, receipt=MergeReceipt(sha, f"m-{sha}"))
    world.settle()


def test_a_story_goes_from_draft_to_done_by_its_roles_and_its_tasks(world: World) -> None:
    story, (task,) = world.committed()
    assert (story.reference, task.reference) == ("SHOP-1", "SHOP-1.1")
    assert task.acceptance == [CRITERION]
    world.settle()
    with tenant_scope(world.tenant.schema):
        assert [limit.limit for limit in budgets(kind=ScopeKind.STORY, scope_id="SHOP-1")] == [story.budget_usd]
    world.act(task, "claim_task", world.mason)
    world.settle()
    assert world.state(story) == "in_progress"
    world.hand_in(task, "c1")
    world.settle()
    assert world.state(story) == "code_review"
    world.judge(task, "c1")
    world.settle()
    assert world.state(story) == "ready_to_review"
    decide(world, task, "approve")
    with tenant_scope(world.tenant.schema):
        assert world.fresh(task).approved_not_executed
    with pytest.raises(Conflict, match=r"Not yet merged: SHOP-1\.1"):
        world.move(story, "accept", world.po)
    merge(world, task, "c1")
    assert world.state(task) == "done"
    world.move(story, "accept", world.po)
    assert world.move(story, "close", world.po).state == "done"
    with tenant_scope(world.tenant.schema):
        routes = [event["payload"]["route"] for event in events_after(0) if event["kind"] == "workflow.task.routed"]
        assert routes == ["auto_route_to_architect", "auto_route_to_qa", "auto_route_to_product_owner"]
        said = [row["action"] for row in trail([task.ref]) if row["kind"] == "workflow.task.routed"]
        assert sorted(said) == sorted(f"task.{route}" for route in routes)
        assert activity(world.po, story)[0]["sentence"] == "moved SHOP-1 from Accepted to Done"


def test_a_rejected_approval_goes_back_to_the_implementer_and_takes_the_story_with_it(world: World) -> None:
    story, (task,) = world.committed()
    world.to_approval(task)
    world.settle()
    decide(world, task, "changes", SAID)
    with tenant_scope(world.tenant.schema):
        back = world.fresh(task)
        assert (back.state, back.holder, back.rejected_sha, back.feedback) == (
            "implementing",
            world.mason.ref,
            "c1",
            SAID,
        )
    assert world.state(story) == "in_progress"
    with pytest.raises(Invalid, match="handed in before"):
        world.hand_in(task, "c1", name="revise_code")
    with pytest.raises(Invalid, match="not newer"):
        world.act(task, "revise_code", world.mason, commit_sha=world.ci.green("c0", newer=False))
    world.hand_in(task, "c2", name="revise_code")
    world.judge(task, "c2")
    world.settle()
    with tenant_scope(world.tenant.schema):
        asked = latest_approval(task.ref)
        assert asked is not None
        assert (asked.state, asked.binding["commit_sha"]) == ("pending", "c2")


def test_nobody_judges_what_they_implemented_and_the_approver_is_none_of_the_others(world: World) -> None:
    both = world.tenant.actor("developer", name="Both")
    hats = replace(both, roles=frozenset({"developer", "architect", "qa", "product_owner"}))
    _, (task,) = world.committed()
    world.act(task, "claim_task", hats)
    world.hand_in(task, "c1", actor=hats)
    with pytest.raises(Denied, match="You implemented this task"):
        world.act(task, "claim_review", hats)
    world.act(task, "claim_review", world.architect)
    with pytest.raises(Denied):
        world.act(task, "approve_design", hats)
    world.act(task, "approve_design", world.architect)
    with pytest.raises(Denied, match="You implemented this task"):
        world.act(task, "claim_testing", hats)
    world.act(task, "claim_testing", world.qa)
    world.act(task, "approve_tests", world.qa, report=TestReport("c1", passed=1))
    with tenant_scope(world.tenant.schema):
        with pytest.raises(Denied, match="somebody else approves"):
            mark_approved(actor=world.system, task=task, approver=hats, commit_sha="c1", approval="approval:1")
        with pytest.raises(Conflict, match="has not been given"):
            complete_task(actor=world.system, task=task, receipt=MergeReceipt("c1", "m1"))
        denials = [entry for entry in trail(["story:SHOP-1"]) if entry["outcome"] == "denied"]
        assert len(denials) == 4


def test_an_approval_is_the_only_way_to_done(world: World) -> None:
    _, (task,) = world.committed()
    world.to_approval(task)
    with pytest.raises(Conflict, match="deciding its approval"):
        world.act(task, "approve_story", world.po)
    with tenant_scope(world.tenant.schema), pytest.raises(Denied):
        mark_approved(actor=world.po, task=task, approver=world.po, commit_sha="c1", approval="approval:1")
    assert world.state(task) == "pending_po_approval"


def test_a_receipt_of_another_commit_completes_nothing_and_the_same_one_twice_once(world: World) -> None:
    _, (task,) = world.committed()
    world.to_approval(task)
    world.settle()
    decide(world, task, "approve")
    with tenant_scope(world.tenant.schema):
        with pytest.raises(Invalid, match="approved commit is c1"):
            complete_task(actor=world.system, task=task, receipt=MergeReceipt("evil", "m"))
        complete_task(actor=world.system, task=task, receipt=MergeReceipt("c1", "m"))
        assert complete_task(actor=world.system, task=task, receipt=MergeReceipt("c1", "m")).state == "done"
        moves = [
            e
            for e in trail([task.ref])
            if e["kind"] == "workflow.task.transitioned" and e["event"]["to_state"] == "done"
        ]
        assert len(moves) == 1


def test_a_moved_base_asks_again_for_the_new_commit(world: World) -> None:
    _, (task,) = world.committed()
    world.to_approval(task)
    world.settle()
    decide(world, task, "approve")
    with tenant_scope(world.tenant.schema):
        with pytest.raises(Conflict, match="not green"):
            rebind_task(actor=world.system, task=task, commit_sha="c9")
        rebind_task(actor=world.system, task=task, commit_sha=world.ci.green("c9"))
    world.settle()
    with tenant_scope(world.tenant.schema):
        asked = latest_approval(task.ref)
        assert asked is not None
        assert (asked.state, asked.binding["commit_sha"]) == ("pending", "c9")
        assert not world.fresh(task).approved_not_executed


def test_reset_frees_the_tasks_and_voids_the_open_approval(world: World) -> None:
    story, (first, second) = world.committed(
        TaskDraft("Write the entry", "developer"), TaskDraft("Write the other", "developer")
    )
    world.to_approval(first)
    world.act(second, "claim_task", world.mason)
    world.settle()
    with pytest.raises(Invalid, match="at least 10"):
        world.move(story, "reset", world.po, feedback="no")
    assert world.move(story, "reset", world.po, feedback="The scope was wrong.").state == "draft"
    world.settle()
    with tenant_scope(world.tenant.schema):
        asked = latest_approval(first.ref)
        assert asked is not None
        assert asked.state == "void"
        freed = world.fresh(second)
        assert (freed.state, freed.holder, freed.lease_until) == ("todo", "", None)
    with pytest.raises(Conflict, match="story is in"):
        world.act(second, "claim_task", world.mason)
    planned_anew(world, story)


def planned_anew(world: World, story: Story) -> None:
    """A new plan after a reset: what nothing was handed in for makes room for it, what was handed in stays and is shown.

    What is new may wait for what stays, and for nothing else: not for what makes room, nor for another story's.
    """
    world.move(story, "submit", world.developer)
    world.move(story, "approve_scope", world.po)
    planner = world.tenant.agent("planner", "pat")
    _, (elsewhere,) = world.committed()
    with tenant_scope(world.tenant.schema):
        assert [(task.ref, task.how) for task in standing_tasks(story)] == [("SHOP-1.1", "under way")]
    for strange in (elsewhere.reference, "SHOP-1.2", "SHOP-1.9"):
        lost = TaskDraft("Write the other anew", "developer", needs=("SHOP-1.1", strange))
        said = f"Task 1 needs {strange}: not a task of this story that stays; choose from SHOP-1.1."
        with tenant_scope(world.tenant.schema):
            row = Story.objects.get(pk=story.pk)
            with pytest.raises(Invalid, match=re.escape(said)):
                edit_proposal(actor=world.architect, story=row, drafts=[lost])
            kept = record_proposal(actor=planner, story=row, result=Derived((lost,), 1))
            assert (kept.state, kept.problems, kept.drafts) == ("failed", [said], [])
        with pytest.raises(Invalid, match=re.escape(said)):
            world.move(story, "derive_tasks", world.architect, add=[lost])
    anew = TaskDraft("Write the other anew", "developer", needs=("SHOP-1.1",))
    world.move(story, "derive_tasks", world.architect, add=[anew])
    world.settle()
    with tenant_scope(world.tenant.schema):
        assert task_facts(story.tasks.get(number=3)).waits_for == ("SHOP-1.1",)
        states = list(story.tasks.order_by("number").values_list("reference", "state"))
        assert states == [("SHOP-1.1", "pending_po_approval"), ("SHOP-1.2", "cancelled"), ("SHOP-1.3", "todo")]
        assert trail(["task:SHOP-1.2"])[0]["reason"] == "A new plan took its place."
        assert compare().differences == []


def test_continuing_a_carried_over_story_asks_for_its_approvals_again(world: World) -> None:
    story, (task,) = world.committed()
    world.to_approval(task)
    world.settle()
    world.move(story, "carry_over", world.po)
    world.settle()
    world.move(story, "continue", world.po)
    world.settle()
    assert world.state(story) == "ready_to_review"
    with tenant_scope(world.tenant.schema):
        asked = latest_approval(task.ref)
        assert asked is not None
        assert asked.state == "pending"


def test_a_rejected_result_reopens_a_merged_task_or_adds_one(world: World) -> None:
    story, (task,) = world.committed()
    world.to_approval(task)
    world.settle()
    decide(world, task, "approve")
    merge(world, task, "c1")
    with pytest.raises(Invalid) as nothing:
        world.move(story, "reject_result", world.po, feedback=SAID)
    assert nothing.value.fields == {"tasks": ["Name at least one task to reopen, or add one."]}
    with pytest.raises(Invalid, match=r"SHOP-9\.9"):
        world.move(story, "reject_result", world.po, feedback=SAID, reopen=["SHOP-9.9"])
    extra = TaskDraft("Say it in French", "developer")
    world.move(story, "reject_result", world.po, feedback=SAID, reopen=[task.reference], add=[extra])
    with tenant_scope(world.tenant.schema):
        again = world.fresh(task)
        assert (again.state, again.holder, again.rejected_sha) == ("implementing", world.mason.ref, "c1")
        assert Task.objects.get(reference="SHOP-1.2").state == "todo"
    assert world.state(story) == "in_progress"


def test_a_task_waits_for_what_it_depends_on(world: World) -> None:
    _, (first, second) = world.committed(
        TaskDraft("Write the entry", "developer"), TaskDraft("Link to it", "developer", depends_on=(1,))
    )
    with tenant_scope(world.tenant.schema):
        assert [task.pk for task in pending_for(world.developer, "developer")] == [first.pk]
        claim = next(offer for offer in offers_for(world.mason, world.fresh(second)) if offer.action == "claim_task")
        assert claim.reasons == ("It waits for SHOP-1.1.",)
        with pytest.raises(Invalid, match=r"SHOP-1.1 -> SHOP-1.2 -> SHOP-1.1|SHOP-1.2 -> SHOP-1.1 -> SHOP-1.2"):
            edit_task(actor=world.architect, task=first, change={"depends_on": [second.reference]})
        assert not first.dependencies.exists()
    with pytest.raises(Conflict, match=r"waits for SHOP-1\.1"):
        world.act(second, "claim_task", world.mason)
    story, (needing,) = world.committed(depends_on=["SHOP-1"])
    with tenant_scope(world.tenant.schema):
        assert needing not in [*pending_for(world.developer, "developer"), *claimable()], "dispatch leaves it out"
        claim = next(offer for offer in offers_for(world.mason, world.fresh(needing)) if offer.action == "claim_task")
        assert (claim.allowed, claim.reasons) == (False, ("It waits for SHOP-1.",))
    with pytest.raises(Conflict, match=r"waits for SHOP-1\."):
        world.act(needing, "claim_task", world.mason)
    world.move(story, "carry_over", world.po)
    for name, feedback in (("carry_over", ""), ("drop", "")):
        world.move(first.story, name, world.po, feedback=feedback)
    world.move(story, "continue", world.po)
    assert world.act(needing, "claim_task", world.mason).state == "implementing", (
        "what was dropped is waited for no more"
    )


def test_a_proposal_is_edited_and_accepted_and_a_failed_one_says_why(world: World) -> None:
    story = world.write()
    world.move(story, "submit", world.developer)
    world.move(story, "approve_scope", world.po)
    planner = world.tenant.agent("planner", "pat")
    with tenant_scope(world.tenant.schema):
        row = Story.objects.get(pk=story.pk)
        failed = record_proposal(actor=planner, story=row, result=DerivationFailed(("No task.",), "{}", 2))
        assert (failed.state, failed.problems) == ("failed", ["No task."])
    with pytest.raises(Invalid, match="at least one task"):
        world.move(story, "derive_tasks", planner)
    with tenant_scope(world.tenant.schema):
        record_proposal(actor=planner, story=row, result=Derived((TaskDraft("Write it", "developer"),), 1))
        with pytest.raises(Invalid, match="circle"):
            edit_proposal(
                actor=world.architect,
                story=row,
                drafts=[TaskDraft("One", "data", depends_on=(2,)), TaskDraft("Two", "data", depends_on=(1,))],
            )
        edit_proposal(actor=world.architect, story=row, drafts=[TaskDraft("Write it well", "developer")])
    world.move(story, "derive_tasks", planner)
    with tenant_scope(world.tenant.schema):
        assert [task.title for task in story.tasks.all()] == ["Write it well"]
        assert add_task(actor=world.po, story=row, draft=TaskDraft("And more", "data")).reference == "SHOP-1.2"


def test_events_say_what_became_of_each_proposal(world: World) -> None:
    planner, drafts = world.tenant.agent("planner", "pat"), (TaskDraft("Write it", "developer"),)
    failure, proposal = DerivationFailed(("No task.",), "{}", 2), Derived(drafts, 1)
    for brought, own, told in (
        (failure, drafts, "failed"),
        (proposal, (), "accepted"),
        (proposal, (TaskDraft("Write it otherwise", "developer"),), "replaced"),
    ):
        story = world.write()
        world.move(story, "submit", world.developer)
        world.move(story, "approve_scope", world.po)
        with tenant_scope(world.tenant.schema):
            record_proposal(actor=planner, story=Story.objects.get(pk=story.pk), result=brought)
            assert compare().differences == []
        world.move(story, "derive_tasks", planner, add=own)
        with tenant_scope(world.tenant.schema):
            comparison = compare()
        assert comparison.differences == []
        assert comparison.rebuilt.stories[story.reference].proposal == told


def test_a_rejected_design_takes_its_story_out_of_review_and_events_told_twice_change_nothing(world: World) -> None:
    story, (task,) = world.committed()
    world.act(task, "claim_task", world.mason)
    world.hand_in(task, "c1")
    world.settle()
    assert world.state(story) == "code_review"
    world.act(task, "claim_review", world.architect)
    with pytest.raises(Invalid, match="at least 10"):
        world.act(task, "reject_design", world.architect, feedback="   no     ")
    world.act(task, "reject_design", world.architect, feedback=SAID)
    world.settle()
    assert world.state(story) == "in_progress"
    with tenant_scope(world.tenant.schema):
        before = Story.objects.get(pk=story.pk).version
        rejected = [e for e in events_after(0) if e["payload"].get("action") == "reject_code"]
        assert (rejected[0]["payload"]["tasks"], rejected[0]["payload"]["feedback"]) == (["SHOP-1.1"], SAID)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE evidence.consumer_cursor SET position = 0 WHERE consumer LIKE 'workflows.%'")
    world.hand_in(task, "c2", name="revise_code")
    world.settle()
    assert world.state(story) == "code_review"
    with tenant_scope(world.tenant.schema):
        assert Story.objects.get(pk=story.pk).version == before + 1
