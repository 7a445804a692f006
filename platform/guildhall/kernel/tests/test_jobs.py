"""Job messages through a real broker to a real worker: only what this platform signed for this tenant is run."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.cache import cache

from guildhall.evidence import selectors
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.broker import app
from guildhall.kernel.jobs import job, sign
from guildhall.kernel.operation import operation_scope
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from guildhall.kernel.tests.marks import Marked, mark, mark_later
from tenants.actions.tenants import resume_tenant, suspend_tenant
from tenants.models import Tenant
from tests.support.processes import until, worker
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
Message = dict[str, Any]


@pytest.fixture(scope="module")
def at_work(database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    log = tmp_path_factory.mktemp("worker") / "log"
    with worker(log, queues="default", include="guildhall.kernel.tests.marks"):
        yield log


def marks(tenant: TestTenant) -> list[str]:
    with tenant_scope(tenant.schema):
        return [entry["event"]["text"] for entry in selectors.recent(kinds=[Marked.kind])]


def signed(tenant: str, text: str) -> Message:
    envelope = {"tenant": tenant, "kwargs": {"text": text}, "operation": None, "trace": None}
    return {"envelope": envelope, "signature": sign(mark_later.name, envelope)}


def sent_as_it_is(message: Message) -> None:
    app.send_task(mark_later.name, kwargs=message, queue="default")


def with_other_tenant(message: Message, other: str) -> Message:
    message["envelope"]["tenant"] = other
    return message


def with_other_arguments(message: Message, other: str) -> Message:
    message["envelope"]["kwargs"]["text"] = "changed"
    return message


def with_other_jobs_signature(message: Message, other: str) -> Message:
    message["signature"] = sign("guildhall.evidence.tasks.run_consumer", message["envelope"])
    return message


def without_signature(message: Message, other: str) -> Message:
    del message["signature"]
    return message


def with_empty_signature(message: Message, other: str) -> Message:
    return {**message, "signature": ""}


FORGERIES = (
    with_other_tenant,
    with_other_arguments,
    with_other_jobs_signature,
    without_signature,
    with_empty_signature,
)


def test_job_runs_in_its_tenants_scope_and_belongs_to_the_operation_that_sent_it(
    at_work: Path, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    with operation_scope() as operation:
        mark_later.send(tenant.schema, text="sent")
    until(lambda: marks(tenant) == ["sent"], what="the job")
    assert marks(other_tenant) == []
    with tenant_scope(tenant.schema):
        assert selectors.recent(kinds=[Marked.kind])[0]["operation_id"] == operation.id


def test_forged_messages_run_nowhere(at_work: Path, tenant: TestTenant, other_tenant: TestTenant) -> None:
    for forge in FORGERIES:
        message = copy.deepcopy(signed(tenant.schema, forge.__name__))
        sent_as_it_is(forge(message, other_tenant.schema))
    for schema in ("", "public", "guildhall_identity", "org_template"):
        sent_as_it_is(signed(schema, "nowhere"))
    mark_later.send(tenant.schema, text="honest")
    mark_later.send(other_tenant.schema, text="honest")
    until(lambda: marks(other_tenant), what="the honest job behind the forged ones")
    assert (marks(tenant), marks(other_tenant)) == (["honest"], ["honest"])
    with platform_scope():
        assert selectors.recent(kinds=[Marked.kind]) == []
    assert "ForgedMessage" in at_work.read_text()


def test_platform_job_runs_as_the_platform(at_work: Path, database: None) -> None:
    mark_later.send(PLATFORM, text="platform")

    def done() -> list[Any]:
        with platform_scope():
            return selectors.recent(kinds=[Marked.kind])

    assert until(done)[0]["event"]["text"] == "platform"


def test_suspended_tenants_jobs_are_not_run(at_work: Path, tenant: TestTenant, other_tenant: TestTenant) -> None:
    owner = system_actor("tests", PLATFORM)
    with platform_scope():
        row = Tenant.objects.get(schema_name=tenant.schema)
        suspend_tenant(actor=owner, tenant=row, reason="Has not paid for a year.")
    mark_later.send(tenant.schema, text="while suspended")
    mark_later.send(other_tenant.schema, text="open")
    until(lambda: marks(other_tenant), what="the other tenant's job")
    with platform_scope():
        resume_tenant(actor=owner, tenant=row)
    mark_later.send(tenant.schema, text="resumed")
    until(lambda: marks(tenant) == ["resumed"], what="the job after resuming")
    assert "Has not paid for a year." in at_work.read_text()


def test_cache_keys_carry_the_tenant(residents: tuple[TestTenant, TestTenant]) -> None:
    mine, theirs = residents
    with tenant_scope(mine.schema):
        cache.set("secret", "mine")
    with tenant_scope(theirs.schema):
        assert cache.get("secret") is None
        cache.set("secret", "theirs")
    assert cache.get("secret") is None
    with tenant_scope(mine.schema):
        assert cache.get("secret") == "mine"
    stored = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    assert {str(key).split(":")[1] for key in stored.scan_iter("*secret")} == {mine.schema, theirs.schema}


def test_only_known_queues(database: None) -> None:
    with pytest.raises(ValueError, match="unknown queue"):
        job("elsewhere")(mark)
