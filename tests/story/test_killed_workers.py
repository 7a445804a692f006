"""The bug-fix story once more, with the worker killed -9 at every step boundary in turn."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import F
from django.db.models.functions import Now

from governance.pricing import COMPUTE_SECOND, use_cost
from governance.selectors import spend_of
from governance.tests.tools import kinds_recorded
from gpu_workers.folders import repository_folder
from gpu_workers.models import ChangeRequest, Run, RunStep
from gpu_workers.models.run import RunState
from gpu_workers.repos import log
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import bugfix
from tests.story.test_bugfix_story import STORY
from tests.support.mortal import Mortal
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")


def drive(world: World, mortal: Mortal) -> None:
    """The platform goes on with every worker dying at its next boundary, until nothing is left to do.

    It takes two days each time before another goes on with what a dead one left.
    """
    schema = world.tenant.schema
    for _ in range(400):
        moved = relay()
        consume(schema)
        with tenant_scope(schema):
            numbers = list(
                Run.objects.filter(state__in=[RunState.QUEUED, RunState.RUNNING]).values_list("number", flat=True)
            )
        for number in numbers:
            while mortal.work_on(schema, number):
                with tenant_scope(schema):
                    Run.objects.filter(number=number).update(lease_until=Now())
                    left = RunStep.objects.filter(run__number=number, finished_at=None)
                    left.update(started_at=F("started_at") - timedelta(days=2))
        if not numbers and not moved and not relay():
            return
    raise AssertionError("the story never came to rest")


def test_killing_the_worker_at_every_boundary_does_nothing_twice(world: World, tmp_path: Path) -> None:
    mortal = Mortal(tmp_path / "deaths")
    with scripted_model(bugfix(commits="Round on the sum")) as model:
        story = world.story(**STORY)
        drive(world, mortal)
        task = world.task(story)
        assert task.state == "pending_po_approval", [(r.number, r.kind, r.state, r.reason) for r in world.runs()]
        approval = world.approval(task)
        assert approval is not None
        world.approve(approval)
        drive(world, mortal)
        journal = [call for call in model.journal if call["status"] == 200]
    deaths = mortal.boundaries()
    kinds = Counter(death.split(" ")[1] for death in deaths)
    assert kinds["begun"] == kinds["done"] == kinds["answered"] >= 14
    with tenant_scope(world.tenant.schema):
        steps = RunStep.objects.filter(run__kind__in=["work", "review", "test"])
        assert kinds["begun"] == steps.count() + RunStep.objects.filter(run__kind="plan").count() - 1
        work = Run.objects.get(kind="work")
        commits = log(repository_folder("till"), work.head_sha)
        change = ChangeRequest.objects.get()
        spent, used = (spend_of("cost_kind", kind).spent for kind in ("model", "compute"))
        calls = RunStep.objects.filter(kind="model").count()
    assert world.task(story).state == "done"
    assert change.merged_sha == world.head() == work.head_sha
    assert [one.subject for one in commits[:2]] == ["TILL-1.1: Round VAT on each line", "TILL-1.1: Round on the sum"]
    assert len(commits) == 3, "the repository's first commit, the wrong patch by the agent's call, the right one"
    assert len([death for death in deaths if death.split(" ")[1:] == ["kept", "executor.3.1"]]) == 1, "as it was made"
    assert len(journal) == calls, "every call was made once"
    assert kinds_recorded(world.tenant).count("delivery.change.opened") == 1
    tokens = [call["usage"] for call in journal]
    charged = sum(Decimal(u["prompt_tokens"]) + 3 * Decimal(u["completion_tokens"]) for u in tokens) / 1_000_000
    assert spent == charged
    assert used < use_cost(Decimal(3600), COMPUTE_SECOND), "nobody pays for the days between"
