"""Offering runs to workers: once each while nobody takes them, those that were begun first, and none left out."""

import json
from base64 import b64decode
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.db.models.functions import Now

from gpu_workers import tasks
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from gpu_workers.tasks import wake_runs
from guildhall.kernel import offers
from guildhall.kernel.tenancy import tenant_scope
from tests.support.busy import queue_many
from tests.support.tenants import TestTenant
from tests.support.world import World

pytestmark = pytest.mark.integration


def offered(tenant: TestTenant) -> list[int]:
    """The tenant's runs in the agents' queue, oldest message first."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        found = [
            json.loads(b64decode(json.loads(raw)["body"]))[1]["envelope"] for raw in client.lrange("agents", 0, -1)
        ]
    return [one["kwargs"]["number"] for one in reversed(found) if one["tenant"] == tenant.schema]


def test_a_queue_that_nobody_serves_holds_one_message_for_each_run(
    tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    numbers = queue_many(world, 5)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("agents")
    monkeypatch.setattr(tasks, "AT_ONCE", 2)
    with tenant_scope(tenant.schema):
        left = Run.objects.filter(number=numbers[-1])
        left.update(state=RunState.RUNNING, fence=1, lease_until=Now() - timedelta(seconds=1))
        wake_runs()
        assert offered(tenant) == [numbers[-1], numbers[0]], "whose worker died comes first"
        for _ in range(4):
            wake_runs()
        asked: list[str] = []
        monkeypatch.setattr(offers, "offer", asked.append)
        wake_runs()
    assert offered(tenant) == [numbers[-1], *numbers[:-1]], "each once, and those behind the first look's too"
    assert asked == [], "nothing is asked of each for what lies there, however many there are"
