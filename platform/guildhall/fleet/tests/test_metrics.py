"""Engines that are away or left alone, and the runs that rest for want of them, as alarms read them."""

import json
import time
from typing import Any

import pytest
from django.test import Client

from gateway.cooling import KEPT as FAILURES
from gateway.cooling import note_answered, note_failed
from gateway.engines import KEPT as LOADS
from gateway.engines import shared_redis
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import AWAITS, RunState
from gpu_workers.rests import KEPT as RESTS
from gpu_workers.tasks import look_after_tenant
from guildhall.kernel.jobs import sign
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.selectors.planned import database_now

pytestmark = pytest.mark.integration


def told(settings: Any) -> dict[str, str]:
    settings.METRICS_TOKEN = "only-for-this-test"
    client = Client(HTTP_HOST=settings.PUBLIC_HOST)
    answer = client.get("/metrics", headers={"Authorization": "Bearer only-for-this-test"})
    assert answer.status_code == 200
    lines = [line for line in answer.content.decode().splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def look(tenant: TestTenant) -> None:
    envelope: dict[str, Any] = {
        "tenant": tenant.schema,
        "kwargs": {"thorough": False},
        "operation": None,
        "trace": None,
    }
    look_after_tenant.task(envelope=envelope, signature=sign(look_after_tenant.name, envelope))


def test_alarms_read_who_is_away_and_who_rests(tenant: TestTenant, settings: Any) -> None:
    client = shared_redis()
    client.delete(FAILURES, LOADS, RESTS)
    away = {"healthy": False, "at": time.time(), "problem": "it does not answer: ConnectError"}
    busy = {"healthy": True, "at": time.time(), "running": 3.0, "waiting": 2.0, "cache_use": 0.5, "tokens_per_s": 80.0}
    client.hset(LOADS, mapping={"left": json.dumps(away), "right": json.dumps(busy)})
    note_failed("left")
    with tenant_scope(tenant.schema):
        agent, later = Agent.objects.get(name="mason"), database_now().replace(year=2100)
        for number, (route, due) in enumerate((("code", later), ("code", later), ("", later), ("code", None)), 1):
            Run.objects.create(
                number=number, kind="work", subject=f"task:{number}", title="x", agent=agent, claim=str(number),
                state=RunState.QUEUED, retry_at=due, outcome={AWAITS: route},
            )  # fmt: skip
    look(tenant)
    found = told(settings)
    assert [found[f'guildhall_engine_up{{deployment="{name}"}}'] for name in ("left", "right")] == ["0.0", "1.0"]
    figures = ("running", "waiting", "cache_use", "tokens_per_second")
    assert [found[f'guildhall_engine_{name}{{deployment="right"}}'] for name in figures] == [
        "3.0",
        "2.0",
        "0.5",
        "80.0",
    ]
    assert 'guildhall_engine_running{deployment="left"}' not in found, "what is not known is not 0"
    assert found['guildhall_engine_failures{deployment="left"}'] == "1.0"
    assert 0 < float(found['guildhall_engine_cooling_seconds{deployment="left"}']) <= 5
    assert found['guildhall_runs_resting{route="code"}'] == "2.0"
    assert found['guildhall_runs_resting{route="none"}'] == "1.0"
    note_answered("left")
    with tenant_scope(tenant.schema):
        Run.objects.update(state=RunState.CANCELLED)
    look(tenant)
    names = "".join(told(settings))
    assert ("guildhall_engine_failures" in names, "guildhall_runs_resting" in names) == (False, False)
    client.delete(LOADS, RESTS)
