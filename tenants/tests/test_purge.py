"""What has run out is thrown away at night, and nothing else, each tenant's rows under its own role."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.utils import timezone

from guildhall.api.models import StoredAnswer
from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.broker import app
from guildhall.kernel.jobs import Job, sign
from guildhall.kernel.tenancy import identity_scope, tenant_scope
from tenants.models import HandOff, Invitation, PasswordReset, RefreshToken, Session, User
from tenants.tasks import purge_expired, purge_platform, purge_tenant
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


def run(job: Job, tenant: str) -> None:
    envelope: dict[str, Any] = {"tenant": tenant, "kwargs": {}, "operation": None, "trace": None}
    job.task(envelope=envelope, signature=sign(job.name, envelope))


def put(tenant: TestTenant, mark: str, ends: Any, made: Any) -> None:
    """One row of each kind that ends at `ends` (or was made at `made`), told apart by `mark`."""
    member = tenant.member("admin")
    with identity_scope():
        user = User.objects.get(email=member.email).pk
        HandOff.objects.create(
            token_hash=mark, user_id=user, target_id=tenant.schema, session="", challenge="", expires_at=ends
        )
        PasswordReset.objects.create(token_hash=mark, user_id=user, expires_at=ends)
        attempt = AccessAttempt.objects.create(username=mark, failures_since_start=8)
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=made)
    with tenant_scope(tenant.schema):
        Session.objects.create(session_key=mark[-40:], session_data="", expire_date=ends, user_id=user)
        RefreshToken.objects.create(
            tenant_id=tenant.schema, user_id=user, family=uuid.uuid4(), token_hash=mark, expires_at=ends
        )
        Invitation.objects.create(
            tenant_id=tenant.schema, email="x@y.example", roles=["qa"], token_hash=mark, invited_by="x", expires_at=ends
        )
        StoredAnswer.objects.create(actor="x", key=mark, fingerprint="", at=made)


def left(tenant: TestTenant, marks: set[str]) -> dict[str, set[str]]:
    """The marks that are left, by table."""
    with identity_scope():
        found = {
            "hand-offs": set(HandOff.objects.values_list("token_hash", flat=True)),
            "links": set(PasswordReset.objects.values_list("token_hash", flat=True)),
            "lock-outs": set(AccessAttempt.objects.values_list("username", flat=True)),
        }
    with tenant_scope(tenant.schema):
        found |= {
            "sessions": set(Session.objects.values_list("session_key", flat=True)),
            "tokens": set(RefreshToken.objects.values_list("token_hash", flat=True)),
            "invitations": set(Invitation.objects.values_list("token_hash", flat=True)),
            "answers": set(StoredAnswer.objects.values_list("key", flat=True)),
        }
    return {table: rows & marks for table, rows in found.items()}


def test_what_has_run_out_goes_and_the_rest_stays(tenant: TestTenant, other_tenant: TestTenant) -> None:
    now, month = timezone.now(), timedelta(days=32)
    for place in (tenant, other_tenant):
        put(place, f"old-{place.schema}", now - month, now - month)
        put(place, f"new-{place.schema}", now + timedelta(hours=1), now)
    marks = {f"{age}-{place.schema}" for age in ("old", "new") for place in (tenant, other_tenant)}
    run(purge_platform, PLATFORM)
    run(purge_tenant, tenant.schema)
    mine, theirs = left(tenant, marks), left(other_tenant, marks)
    fresh = {f"new-{tenant.schema}"}
    assert {table: rows & {f"old-{tenant.schema}"} for table, rows in mine.items()} == {table: set() for table in mine}
    assert all(fresh <= rows for rows in mine.values()), mine
    assert f"old-{other_tenant.schema}" in theirs["invitations"] & theirs["answers"], "one tenant's job is one tenant's"
    assert theirs["sessions"] == theirs["tokens"] == {f"new-{other_tenant.schema}"}


def test_the_night_asks_for_the_platform_and_every_open_tenant(tenant: TestTenant) -> None:
    schedule: Any = settings.CELERY["beat_schedule"]
    assert schedule["purge-what-has-run-out"]["task"] == purge_expired.name
    purge_expired()
    sent = set()
    with app.connection_for_read() as broker:
        queue = broker.SimpleQueue("default")
        try:
            while True:
                message = queue.get(block=False)
                sent.add((message.headers["task"], message.payload[1]["envelope"]["tenant"]))
                message.ack()
        except queue.Empty:
            queue.close()
    assert {("tenants.tasks.purge_platform", PLATFORM), ("tenants.tasks.purge_tenant", tenant.schema)} <= sent
