"""Below the policy's threshold nothing happens but a question; people's answers say how right the confidence was."""

from decimal import Decimal

import pytest

from governance.actions.approvals import decide_approval
from governance.models import Assessment
from governance.selectors import active_policy, pending_for
from governance.selectors.confidence import calibration_of
from governance.selectors.simulation import simulation_of
from governance.simulation import RecordedKind
from gpu_workers.models import ChangeRequest, Run
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import bugfix
from tests.story.test_bugfix_story import STORY
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration


def test_a_change_that_an_agent_is_not_sure_of_is_asked_about_first(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with tenant_scope(tenant.schema):
        put_policy(tenant, active_policy().text.replace("threshold: 0.70", "threshold: 1"))
    with scripted_model(bugfix()):
        story = world.story(**STORY)
        world.settle()
        task = world.task(story)
        assert task.state == "implementing"
        with tenant_scope(tenant.schema):
            run = Run.objects.get(kind="work")
            assert run.state == "waiting"
            assert "below the policy's 1.00" in run.reason
            assert not ChangeRequest.objects.exists()
            found = Assessment.objects.get()
            assert found.halted
            assert (found.subject, found.run, found.agreed) == (task.ref, run.ref, None)
            assert set(found.components) == {"ci", "risk"}
            assert found.reasons
            (asked,) = pending_for(world.owner)
            assert (asked.kind, asked.subject) == ("agent_action", run.ref)
            decide_approval(
                actor=world.owner, approval=asked.number, decision="approve", binding_hash=asked.binding_hash
            )
        world.settle()
        merging = world.approval(world.task(story))
        assert merging is not None
        world.approve(merging)
        world.settle()
    with tenant_scope(tenant.schema):
        assert world.task(story).state == "done"
        found.refresh_from_db()
        assert found.key == merging.binding["commit_sha"]
        assert found.agreed is True, "the merge was approved, so people agreed; allowing the question says nothing yet"
        report = calibration_of(world.owner)
        assert (report.number, report.halted, report.judged) == (1, 1, 1)
        assert report.brier == ((1 - found.score) ** 2).quantize(Decimal("0.0001"))
        # What was recorded is what a simulation replays: a policy without tools would have blocked every call.
        document = active_policy().document.model_copy(update={"tools": {}})
        simulated = simulation_of(world.owner, document)
        calls = simulated.counted[RecordedKind.TOOL_CALL]
        assert calls["number"] == calls["blocked"] > calls["before_blocked"]
        assert {"change", "run", "model_call", "approval"} <= set(map(str, simulated.counted))
