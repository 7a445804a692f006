"""A bug-fix story goes from draft to merged: council, wrong patch, red CI, fixer, rename, green, architect, QA, owner."""

from decimal import Decimal

import pytest

from governance.selectors import spend_of
from gpu_workers.models import ChangeRequest, Run, RunStep
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.scripts import RIGHT, bugfix, calling, deliberating, handing_in
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.models import Council

pytestmark = pytest.mark.integration
STORY = {
    "title": "Round VAT on each line of a basket",
    "brief": "Customers are charged a penny too little when a basket has several lines: VAT is rounded once, not per line.",
    "acceptance": ["Given two lines of 333 pence, when the total is taken, then it is 800 pence"],
}


CHARGED = "charged"
"""What the total is called in the end."""


def refactored() -> list[Rule]:
    """In the second round what is right, and the total under another name wherever the repository uses it."""
    path = "till/basket.py"
    line = RIGHT.splitlines().index("def total(lines):") + 1
    rename = {"path": path, "line": line, "name": "total", "new_name": CHARGED}
    calls = [
        {"name": "write_file", "arguments": {"path": path, "content": RIGHT}},
        {"name": "rename", "arguments": rename},
        handing_in(),
    ]
    return calling(calls, contains=["CI did not pass"])


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py", councils=True)


def test_a_bug_fix_story_is_merged_by_different_actors(world: World) -> None:
    with scripted_model([*deliberating(), *refactored(), *bugfix()]) as model:
        story = world.story(**STORY)
        assert story.state == "ready_for_execution"
        world.settle()
        task = world.task(story)
        assert task.state == "pending_po_approval"
        before = world.head()
        approval = world.approval(task)
        assert approval is not None
        assert approval.state == "pending"
        world.approve(approval)
        world.settle()
        journal = model.journal
    task = world.task(story)
    assert task.state == "done"
    assert world.head() == task.commit_sha == approval.binding["commit_sha"] != before
    assert world.text("till/basket.py") == RIGHT.replace("def total(", f"def {CHARGED}(")
    assert f"import {CHARGED}" in world.text("tests/test_basket.py")
    assert "total(" not in world.text("tests/test_basket.py"), "CI ran with the name that all of it has now"
    assert (task.implementer, task.reviewer, task.tester) == ("agent:mason", "agent:alder", "agent:wren")
    assert task.approver == world.owner.ref
    done = world.approval(task)
    assert done is not None
    assert done.state == "executed"
    with tenant_scope(world.tenant.schema):
        story.refresh_from_db()
        assert story.state == "ready_to_review"
        council = Council.objects.select_related("winner", "decision").get(story=story)
        work = Run.objects.get(kind="work")
        assert council.winner is not None
        assert council.decision is not None
        assert (council.winner.letter, council.decision.kind, council.decision.verdict) == ("B", "plan", "proposed")
        assert council.ended_at is not None
        assert work.created_at is not None
        assert council.ended_at < work.created_at, "agents begin when the council has decided"
        told = work.steps.get(key="executor.1").request["messages"][1]["content"]
        assert "Round each line as way B says, and test two lines." in told, (
            "what it chose is in the implementer's brief"
        )
        assert {"agent:alder", "agent:mason", "agent:wren"} <= set(approval.excluded)
        assert ChangeRequest.objects.get().merged_sha == task.commit_sha
        ci = list(RunStep.objects.filter(kind="ci", run__kind="work").order_by("id").values_list("ok", flat=True))
        spent = spend_of("cost_kind", "model").spent
    assert ci == [False, True]
    tokens = [call["usage"] for call in journal if call["status"] == 200]
    charged = sum(Decimal(u["prompt_tokens"]) + 3 * Decimal(u["completion_tokens"]) for u in tokens) / 1_000_000
    assert spent == charged
