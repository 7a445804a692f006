"""Repeated requests under one Idempotency-Key: done once, answered alike, and never mixed up."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from guildhall.api.models import StoredAnswer
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import Caller, People
from tests.support.tenants import TestTenant
from workflows.actions import create_project
from workflows.models import Story

pytestmark = pytest.mark.integration
STORY = {"project": "SHOP", "title": "Pay by card"}


@pytest.fixture
def people(tenant: TestTenant) -> People:
    with tenant_scope(tenant.schema):
        create_project(
            actor=tenant.actor("admin"), key="SHOP", name="Shop", repository="shop", ci_command="true", client=""
        )
    return People(tenant)


def stories(people: People) -> int:
    return len(people.viewer.get("stories/")["results"])


def test_a_repeat_gets_the_first_answer_and_makes_nothing(people: People) -> None:
    first = people.developer.answer("POST", "stories/", STORY, idempotency_key="k-1")
    again = people.developer.answer("POST", "stories/", STORY, idempotency_key="k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again["ETag"] == first["ETag"]
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert stories(people) == 1


def test_a_key_stands_for_one_request_of_one_person(people: People) -> None:
    people.developer.post("stories/", STORY, 201, idempotency_key="k-1")
    other = people.developer.post("stories/", {**STORY, "title": "Pay later"}, 422, idempotency_key="k-1")
    assert "Idempotency-Key" in other["fields"]
    people.architect.post("stories/", STORY, 201, idempotency_key="k-1")
    people.developer.post("stories/", STORY, 422, idempotency_key="k" * 101)
    assert stories(people) == 2


def test_a_refusal_gives_the_key_free(people: People) -> None:
    people.developer.post("stories/", STORY, 201)
    submit = {"name": "submit"}
    people.viewer.post("stories/SHOP-1/transitions/", submit, 403, idempotency_key="k-2")
    people.developer.post("stories/SHOP-1/transitions/", {"name": "submit", "version": 9}, 412, idempotency_key="k-2")
    people.developer.post("stories/SHOP-1/transitions/", submit, 200, idempotency_key="k-2")


def test_of_two_at_the_same_moment_one_is_done(people: People) -> None:
    callers, start = [people.developer, People(people.tenant).developer], Barrier(2)

    def send(caller: Caller) -> int:
        start.wait(timeout=120)
        try:
            return int(caller.answer("POST", "stories/", STORY, idempotency_key="k-3").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(send, callers))
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert stories(people) == 1


def test_an_unfinished_request_keeps_its_key_and_a_day_later_it_is_free(people: People) -> None:
    people.developer.post("stories/", STORY, 201, idempotency_key="k-4")
    with tenant_scope(people.tenant.schema):
        StoredAnswer.objects.update(status=None)
    people.developer.post("stories/", STORY, 409, idempotency_key="k-4")
    with tenant_scope(people.tenant.schema), connection.cursor() as cursor:
        cursor.execute("UPDATE api_storedanswer SET at = now() - interval '25 hours'")
    people.developer.post("stories/", STORY, 201, idempotency_key="k-4")
    with tenant_scope(people.tenant.schema):
        assert Story.objects.count() == 2
