"""Having consumers read everything again changes nothing: not what is asked now, not what was set by hand since."""

from decimal import Decimal

import pytest

from governance.actions.approvals import decide_approval
from governance.actions.limits import set_limit
from governance.scopes import ScopeKind, Window
from governance.selectors import budgets, latest_approval
from guildhall.evidence.actions import rewind_consumer
from guildhall.evidence.selectors import head_position, recent
from guildhall.kernel.tenancy import tenant_scope
from tests.support.evidence import ConsumerCursor
from workflows.models import Task
from workflows.rebuilding import compare
from workflows.tests.world import World

pytestmark = pytest.mark.integration
SAID = "The answer leaves out the return period."


def waiting(world: World, task: Task) -> tuple[int, str, object]:
    with tenant_scope(world.tenant.schema):
        asked = latest_approval(task.ref)
        assert asked is not None
        return asked.number, asked.state, asked.binding["commit_sha"]


def test_reading_everything_again_takes_back_nothing_that_was_asked_since(world: World) -> None:
    story, (task,) = world.committed()
    world.to_approval(task)
    world.settle()
    with tenant_scope(world.tenant.schema):
        asked = latest_approval(task.ref)
        assert asked is not None
        decide_approval(
            actor=world.po, approval=asked.number, decision="changes", binding_hash=asked.binding_hash, feedback=SAID
        )
    world.settle()
    world.hand_in(task, "c2", name="revise_code")
    world.judge(task, "c2")
    world.settle()
    world.move(story, "carry_over", world.po)
    world.settle()
    world.move(story, "continue", world.po)
    world.settle()
    before = waiting(world, task)
    assert before[1:] == ("pending", "c2")
    admin = world.tenant.actor("admin")
    with tenant_scope(world.tenant.schema):
        amount = Decimal("9")
        set_limit(actor=admin, kind=ScopeKind.STORY, scope_id=story.reference, window=Window.TOTAL, amount=amount)
    world.settle()
    state = world.state(story)
    with tenant_scope(world.tenant.schema):
        count, head = len(recent(limit=1000)), head_position()
        mine = list(ConsumerCursor.objects.filter(consumer__startswith="workflows.").values_list("consumer", flat=True))
        for name in mine:
            rewind_consumer(actor=admin, consumer=name, position=1, reason="A test of reading again.")
    world.settle()
    with tenant_scope(world.tenant.schema):
        assert ConsumerCursor.objects.filter(consumer__in=mine, position__lt=head).count() == 0
        assert [limit.limit for limit in budgets(kind=ScopeKind.STORY, scope_id=story.reference)] == [amount]
        assert len(recent(limit=1000)) == count + len(mine), "nothing was done but to read again"
        assert compare().differences == []
    assert (waiting(world, task), world.state(story)) == (before, state)
