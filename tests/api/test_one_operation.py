"""One operation ties a person's request to the events, the job, the model call and the cost that came of it."""

import base64
import json
from typing import Any

import pytest
import redis
from django.conf import settings

from governance.models import LedgerEntry
from gpu_workers.models import Run
from gpu_workers.tasks import execute_run
from guildhall.evidence.models import OutboxEvent
from guildhall.evidence.selectors import TrailFilter, search_trail
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.api.test_story_by_api import STORY
from tests.story.scripts import planning
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration


def job_of(schema: str) -> dict[str, Any]:
    """The signed arguments of the one message about a run of the tenant that waits in the broker."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        messages = [json.loads(base64.b64decode(json.loads(m)["body"]))[1] for m in client.lrange("agents", 0, -1)]
    (message,) = [message for message in messages if message["envelope"]["tenant"] == schema]
    return dict(message)


def test_a_request_its_job_its_model_call_and_its_events_are_one_operation(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    people = People(tenant)
    people.developer.post("stories/", STORY, 201)
    people.developer.post("stories/TILL-1/transitions/", {"name": "submit"})
    world.settle()
    with scripted_model(planning()):
        answer = people.product_owner.answer("POST", "stories/TILL-1/transitions/", {"name": "approve_scope"})
        assert answer.status_code == 200, answer.content
        operation = answer["X-Request-Id"]
        while relay():
            consume(tenant.schema)
        message = job_of(tenant.schema)
        assert message["envelope"]["operation"] == operation
        execute_run.task(**message)
    with tenant_scope(tenant.schema):
        run = Run.objects.get()
        assert (run.kind, run.state) == ("plan", "succeeded")
        trail = {entry["kind"] for entry in search_trail(TrailFilter(operation=operation), limit=200)}
        told = set(OutboxEvent.objects.filter(operation_id=operation).values_list("kind", flat=True))
        chain = {"planning.story.transitioned", "agent.run.queued", "agent.run.taken", "gateway.call.completed"}
        assert chain | {"agent.run.ended"} <= trail
        assert chain | {"agent.run.ended"} <= told
        paid = LedgerEntry.objects.filter(run=str(run.number), cost_kind="model")
        assert set(paid.values_list("kind", flat=True)) >= {"reserve", "commit"}
        assert set(paid.values_list("operation_id", flat=True)) == {operation}
