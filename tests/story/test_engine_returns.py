"""Runs that rest while their engine is away go on when it is there again: at once, longest first, some at a time."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.db.models.functions import Now

from gateway.cooling import KEPT as FAILED
from gateway.engines import KEPT as LOOKS
from gateway.models import Deployment
from gateway.tasks import look_at_all_engines
from gpu_workers.models import Run
from gpu_workers.models.run import AWAITS, AWAY_SINCE, RunState
from gpu_workers.resuming import AT_ONCE, wake_for_engines, wake_for_routes
from gpu_workers.runs.engine import execute
from gpu_workers.tasks import execute_run
from guildhall.kernel.jobs import Job
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.story.test_engine_faults import due_now, well
from tests.support.busy import queue_many
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model
from workflows.selectors.planned import database_now

pytestmark = pytest.mark.integration
NOWHERE = "http://127.0.0.1:9/v1"


class Broker:
    """The messages that wait, and delivering those of one job as a worker would."""

    def __init__(self) -> None:
        self.redis = redis.Redis.from_url(settings.REDIS_URL)

    def clear(self) -> None:
        self.redis.delete("agents", "default", FAILED, LOOKS)

    def deliver(self, job: Job, tenant: str = "") -> int:
        """Carry out what waits, of one tenant where that is named; how many messages."""
        found = 0
        for raw in self.redis.lrange(job.queue, 0, -1):
            message = json.loads(raw)
            arguments = json.loads(base64.b64decode(message["body"]))[1]
            if message["headers"]["task"] == job.name and tenant in ("", arguments["envelope"]["tenant"]):
                self.redis.lrem(job.queue, 1, raw.decode() if isinstance(raw, bytes) else raw)
                job.task(**arguments)
                found += 1
        return found


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    made.clear()
    yield made
    made.clear()


def lead_to(url: str) -> None:
    with platform_scope():
        Deployment.objects.filter(name="tests").update(base_url=url)


def resting(tenant: TestTenant) -> dict[int, float]:
    """Seconds of rest that are left, by the numbers of the runs that rest."""
    with tenant_scope(tenant.schema):
        now = database_now()
        rows = Run.objects.values_list("number", "retry_at")
        return {number: (at - now).total_seconds() for number, at in rows if at and at > now}


def long_rests(tenant: TestTenant, numbers: list[int], awaits: str = "code") -> None:
    """They have rested for long, the last of them for longest."""
    with tenant_scope(tenant.schema):
        for number in numbers:
            since = (database_now() - timedelta(minutes=10 + number)).isoformat()
            due = Now() + timedelta(seconds=120)
            Run.objects.filter(number=number).update(outcome={AWAITS: awaits, AWAY_SINCE: since}, retry_at=due)


def test_runs_go_on_when_a_look_finds_their_engine_again(tenant: TestTenant, broker: Broker) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    numbers = queue_many(world, AT_ONCE + 2)
    with scripted_model(well()) as model:
        lead_to(NOWHERE)
        look_at_all_engines()
        with tenant_scope(tenant.schema):
            execute(numbers[-1])
            assert Run.objects.get(number=numbers[-1]).outcome[AWAITS] == "code"
        long_rests(tenant, numbers[:1], "speech")
        long_rests(tenant, numbers[1:])
        look_at_all_engines()
        assert broker.deliver(wake_for_engines) == 0, "it is away as before"
        lead_to(model.url)
        look_at_all_engines()
        assert broker.deliver(wake_for_engines) == 1
        assert broker.deliver(wake_for_routes, tenant.schema) == 1
        left = resting(tenant)
        assert set(left) == set(numbers[:2]), "what waits for another route, and the one that has waited for least"
        assert 0 < left[numbers[1]] < 30, "it follows, a little later"
        with tenant_scope(tenant.schema):
            Run.objects.exclude(number=numbers[-1]).update(retry_at=None, state=RunState.CANCELLED)
        assert broker.deliver(execute_run, tenant.schema) == AT_ONCE
        with tenant_scope(tenant.schema):
            assert Run.objects.get(number=numbers[-1]).state == RunState.SUCCEEDED
        assert broker.deliver(wake_for_engines) == 1, "its first answer after the failure is news of its own"
        look_at_all_engines()
        assert broker.deliver(wake_for_engines) == 0, "that it is still there is none"


def test_the_first_answer_after_failures_wakes_the_others(tenant: TestTenant, broker: Broker) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    first, second = queue_many(world, 2)
    with scripted_model([{"garbage": True}]) as model:
        with tenant_scope(tenant.schema):
            execute(first)
        long_rests(tenant, [second])
        assert broker.deliver(wake_for_engines) == 0
        model.script = well()
        with tenant_scope(tenant.schema):
            due_now(first)
            execute(first)
        assert broker.deliver(wake_for_engines) == 1, "of all its answers the first alone is news"
        broker.deliver(wake_for_routes, tenant.schema)
        assert resting(tenant) == {}
        assert broker.deliver(execute_run, tenant.schema) == 1
        with tenant_scope(tenant.schema):
            assert Run.objects.get(number=second).state == RunState.SUCCEEDED
