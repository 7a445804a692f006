"""How much is allowed: short windows shared by all processes, hourly and daily ones that no restart forgives."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.test import override_settings

from governance.actions.allowances import Limited, left_of, take_allowance
from governance.models import Allowance
from guildhall.kernel.errors import RateLimited
from guildhall.kernel.rates import Limiter, Rate
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.keys import create_api_key
from tenants.models import Tenant
from tests.support.clients import Browser, program, signed_in
from tests.support.console import console, new_owner, recorded
from tests.support.services import Services
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
WHY = "They have ten times as many people now."
ASKER = """
import json, sys
from django.conf import settings
settings.configure()
from guildhall.kernel.rates import Limiter, Rate
limiter = Limiter({url!r})
sys.stdin.readline()
print(sum(limiter.take([Rate("test", "shared", 20)]).refused is None for _ in range(20)))
"""


@pytest.fixture
def low() -> Iterator[None]:
    with override_settings(RATE_SIGNED_OUT=60, RATE_PERSON=5, RATE_TENANT=8):
        yield


def test_two_processes_share_a_limit(services: Services) -> None:
    code = ASKER.format(url=settings.REDIS_URL)
    with ExitStack() as stack:
        askers = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(2)
        ]
        let_through = [int(asker.communicate("go\n")[0]) for asker in askers]
    assert sum(let_through) == 20


def test_a_request_counts_in_all_windows_or_in_none(services: Services) -> None:
    limiter = Limiter(settings.REDIS_URL)
    wide, narrow = Rate("test", "wide", 100), Rate("test", "narrow", 2)
    for _ in range(5):
        answer = limiter.take([wide, narrow])
    assert answer.refused is not None
    assert answer.refused.rate == narrow
    assert 1 <= answer.refused.reset <= 70
    assert limiter.take([wide]).standings[0].left == 97
    limiter.correct(wide, 90)
    assert limiter.take([wide], 20).refused is not None
    assert limiter.take([Rate("test", "fresh", 10)], 50).refused is None, "more than a limit passes an empty window"
    assert limiter.take([Rate("test", "fresh", 10)]).refused is not None


def test_without_redis_each_process_counts_for_itself() -> None:
    limiter = Limiter("redis://127.0.0.1:1/0")
    answers = [limiter.take([Rate("test", "alone", 3)]) for _ in range(4)]
    assert [answer.refused is None for answer in answers] == [True, True, True, False]
    assert not any(answer.shared for answer in answers)


def test_addresses_people_keys_and_organisations_are_limited(
    low: None, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    stranger = Browser(tenant.host, HTTP_X_REAL_IP="203.0.113.9")
    codes = [stranger.get("/sign-in/").status_code for _ in range(61)]
    assert codes == [200] * 60 + [429]
    elsewhere = Browser(tenant.host, HTTP_X_REAL_IP="203.0.113.10")
    assert elsewhere.get("/sign-in/").status_code == 200, "another address"
    refused = stranger.get("/", HTTP_ACCEPT="text/html")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1
    assert b"from one address" in refused.content
    assert stranger.get("/health").status_code == 200, "supervisors are not counted"

    with tenant_scope(tenant.schema):
        _, key = create_api_key(actor=tenant.actor("admin"), name="k", scopes=["api:read"])
        _, second = create_api_key(actor=tenant.actor("developer"), name="k", scopes=["api:read"])
    client = program(tenant, key)
    answers = [client.get("/api/v1/projects/") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0]["RateLimit-Policy"] == '"key";q=5;w=60'
    assert answers[0]["RateLimit"].startswith('"key";r=4;t=')
    problem = answers[-1].json()
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert answers[-1]["RateLimit"].startswith('"key";r=0;t=')
    assert (problem["status"], problem["type"]) == (429, "urn:guildhall:problem:rate_limited")
    assert str(problem["retry_after"]) == answers[-1]["Retry-After"]
    codes = [program(tenant, second).get("/api/v1/projects/").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429], "the organisation's eight are used up"
    person = signed_in(other_tenant, other_tenant.member("admin"))
    assert person.get("/").status_code == 200, "another organisation is not touched"


def test_an_organisations_plan_says_how_often_it_may_ask(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with platform_scope():
        row = Tenant.objects.get(slug=tenant.slug)
    with tenant_scope(tenant.schema), pytest.raises(DatabaseError, match="permission denied"):
        Tenant.objects.filter(pk=row.pk).update(plan="large")
    browser, page = console(new_owner()), f"/admin/tenants/tenant/{row.pk}/plan/"
    for wrong in ({"plan": "large", "reason": "short"}, {"plan": "endless", "reason": WHY}):
        assert browser.submit(page, wrong).status_code == 422
    assert browser.submit(page, {"plan": "large", "reason": WHY}).status_code == 302
    assert browser.submit(page, {"plan": "large", "reason": WHY}).status_code == 422
    [told] = recorded(row.ref, kind="tenancy.tenant.plan_changed")
    assert (told["before"], told["after"], told["reason"]) == ({"plan": "standard"}, {"plan": "large"}, WHY)
    with override_settings(RATE_PERSON=2, RATE_TENANT=100):
        codes = []
        for one in (tenant, other_tenant):
            with tenant_scope(one.schema):
                _, key = create_api_key(actor=one.actor("admin"), name="k", scopes=["api:read"])
            answers = [program(one, key).get("/api/v1/projects/") for _ in range(9)]
            codes.append([answer.status_code for answer in answers])
        assert codes == [[200] * 8 + [429], [200] * 2 + [429] * 7]


def counted(schema: str, limited: Limited) -> bool:
    """Whether one more was allowed, in a transaction of its own that another may wait for."""
    try:
        with tenant_scope(schema), transaction.atomic(durable=True):
            take_allowance(limited)
    except RateLimited as refusal:
        return not 1 <= refusal.extra["retry_after"] <= 3601
    finally:
        connection.close()
    return True


def test_ten_change_requests_an_hour_whoever_comes_first(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        hour = window()
        with suppress(RuntimeError), transaction.atomic():
            take_allowance(Limited.CHANGE_REQUESTS)
            raise RuntimeError("what is rolled back was not used")
    with ThreadPoolExecutor(12) as pool:
        done = list(pool.map(lambda _: counted(tenant.schema, Limited.CHANGE_REQUESTS), range(24)))
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
    again = counted(tenant.schema, Limited.CHANGE_REQUESTS)
    foreign = counted(other_tenant.schema, Limited.CHANGE_REQUESTS)
    with tenant_scope(tenant.schema):
        if window() == hour:  # else the hour turned meanwhile, and each has its own ten
            assert (sum(done), again, left_of(Limited.CHANGE_REQUESTS)) == (10, False, 0)
        assert Allowance.objects.filter(used__gt=10).count() == 0
        assert left_of(Limited.AGENT_RUNS) == 100
    assert foreign


def window() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT date_trunc('hour', clock_timestamp(), 'UTC')")
        return cursor.fetchone()
