"""Who decides the merge of a task: the roles of the policy, and nobody who sat on a council about its story."""

import pytest

from governance.actions.approvals import decide_approval
from governance.selectors import active_policy, latest_approval
from governance.views import ApprovalView
from guildhall.evidence.selectors import events_after
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied
from guildhall.kernel.tenancy import tenant_scope
from tests.support.policies import put_policy
from workflows.actions.councils import convene_council
from workflows.councils import Chair
from workflows.models import Task
from workflows.tests.world import World

pytestmark = pytest.mark.integration
SAID = "The answer leaves out the return period."


def asked_about(world: World, task: Task) -> ApprovalView:
    with tenant_scope(world.tenant.schema):
        asked = latest_approval(task.ref, kind="merge")
    assert asked is not None
    return asked


def decide(world: World, task: Task, decider: Actor, decision: str = "approve", feedback: str = "") -> None:
    asked = asked_about(world, task)
    with tenant_scope(world.tenant.schema):
        decide_approval(
            actor=decider,
            approval=asked.number,
            decision=decision,
            binding_hash=asked.binding_hash,
            feedback=feedback,
        )
    world.settle()


def test_architects_decide_merges_where_the_policy_says_so_and_product_owners_do_not(world: World) -> None:
    with tenant_scope(world.tenant.schema):
        put_policy(world.tenant, active_policy().text.replace("merge: [product_owner]", "merge: [architect]"))
    decider = world.tenant.actor("architect", name="Rowan")
    story, (task,) = world.committed()
    world.to_approval(task)
    world.settle()
    assert asked_about(world, task).eligible_roles == ("architect",)
    with pytest.raises(Denied, match="needs one of the roles architect"):
        decide(world, task, world.po)
    with pytest.raises(Denied, match="You took part"):
        decide(world, task, world.architect)
    decide(world, task, decider, "changes", SAID)
    assert (world.state(task), world.state(story)) == ("implementing", "in_progress"), "the story comes back with it"
    world.hand_in(task, "c2", name="revise_code")
    world.judge(task, "c2")
    world.settle()
    decide(world, task, decider)
    with tenant_scope(world.tenant.schema):
        row = world.fresh(task)
        assert (row.approver, row.approved_not_executed, row.feedback) == (decider.ref, True, "")
        (back,) = [e for e in events_after(0) if e["payload"].get("action") == "reject_story"]
        assert back["actor"]["ref"] == decider.ref, "it is told as theirs"


def test_who_sat_on_a_council_of_the_story_and_had_no_other_part_does_not_approve_its_merge(world: World) -> None:
    seats = [Chair(world.po.ref, world.po.name, "qa"), Chair("agent:alder", "Alder", "architect")]
    story, (task,) = world.committed()
    with tenant_scope(world.tenant.schema):
        seats.append(Chair("agent:wren", "Wren", "developer"))
        convene_council(actor=world.architect, story=story, subject="design", question="Which way?", seats=seats)
    world.to_approval(task)
    world.settle()
    with tenant_scope(world.tenant.schema):
        assert not world.fresh(task).parts.filter(actor__in=[seat.agent for seat in seats]).exists()
    with pytest.raises(Denied, match="You took part"):
        decide(world, task, world.po)
    assert asked_about(world, task).state == "pending"
    other = world.tenant.actor("product_owner", name="Fern")
    decide(world, task, other)
    with tenant_scope(world.tenant.schema):
        assert world.fresh(task).approver == other.ref
