"""What each happening counts for in an agent's reputation, and for whom."""

import itertools
import uuid
from datetime import UTC, datetime

import pytest

from governance.events import BudgetOverrun
from governance.scoring import ReputationKind
from governance.selectors import standing_of
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.events import ChangeReverted, CIFinished, RunEnded
from gpu_workers.models import Agent
from gpu_workers.models.run import RunKind
from gpu_workers.subscribers import judge_agents
from guildhall.kernel.consumers import Delivered
from guildhall.kernel.events import Event
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
MASON = "agent:mason"
PERSON = "person:dana"
NUMBERS = itertools.count(1)


def ended(state: str, about: str = "task:SHOP-1.1") -> RunEnded:
    return RunEnded(subject="run:1", state=state, agent=MASON, about=about, reason="")


def ci(status: str, author: str = MASON) -> CIFinished:
    return CIFinished(subject="repository:shop", sha="1" * 40, status=status, passed=1, failed=0, author=author)


def reverted(author: str = MASON) -> ChangeReverted:
    return ChangeReverted(subject="change:1", task="SHOP-1.1", reverted_sha="2" * 40, author=author)


def overrun(owner: str) -> BudgetOverrun:
    return BudgetOverrun(subject="reservation:1", key="run:1:plan", owner=owner, reserved="0.10", cost="0.20")


def test_each_happening_counts_for_its_agent_and_once(tenant: TestTenant) -> None:
    counts: list[tuple[Event, ReputationKind, int]] = [
        (ended("succeeded"), ReputationKind.RUN_SUCCEEDED, 10),
        (ended("failed"), ReputationKind.RUN_FAILED, -5),
        (ended("escalated"), ReputationKind.ESCALATED, -8),
        (ci("passed"), ReputationKind.TESTS_PASSED, 2),
        (ci("failed"), ReputationKind.TESTS_FAILED, -3),
        (reverted(), ReputationKind.CHANGE_REVERTED, -15),
        (overrun("run:1"), ReputationKind.COST_OVERRUN, -20),
    ]
    counts_nothing = [
        ended("cancelled"),
        *(ended(state, "council:1") for state in ("succeeded", "failed", "escalated")),
        *(ci(status, PERSON) for status in ("passed", "failed")),
        ci("error"),
        reverted(PERSON),
        *(overrun(owner) for owner in ("run:2", "run:99", "story:SHOP-1")),
    ]
    with tenant_scope(tenant.schema):
        runs_of_mason(tenant)
        for event, kind, points in counts:
            before = standing_of(MASON).score
            delivered = told(tenant, event)
            judge_agents(delivered)
            judge_agents(delivered)
            assert standing_of(MASON).score - before == points, kind
        before = standing_of(MASON).score
        for event in counts_nothing:
            judge_agents(told(tenant, event))
            assert standing_of(MASON).score == before, event


def runs_of_mason(tenant: TestTenant) -> None:
    """Run 1 is the agent's own work; run 2 is a council's, in which nobody stands for the others."""
    agent = Agent.objects.get(name="mason")
    for kind, subject in ((RunKind.WORK, "task:SHOP-1.1"), (RunKind.COUNCIL, "council:1")):
        new = NewRun(kind=kind, subject=subject, story="story:SHOP-1", title="Do it", claim=f"{subject}:1")
        queue_run(actor=tenant.system(), agent=agent, new=new)


def told(tenant: TestTenant, event: Event) -> Delivered:
    return Delivered(
        id=next(NUMBERS),
        tenant=tenant.schema,
        position=1,
        kind=event.kind,
        version=event.version,
        data=event,
        actor=tenant.system().as_dict(),
        operation_id=str(uuid.uuid4()),
        trace_id=uuid.uuid4().hex,
        at=datetime.now(UTC),
    )
