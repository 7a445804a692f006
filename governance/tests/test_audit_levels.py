"""What is read: refused reads are in the trail and cannot flood it; at level 3 so are reads of what is sensitive."""

from typing import Any

import pytest
from django.core.cache import cache

from guildhall.evidence.reading import ROUTES_A_MINUTE, note_refused
from guildhall.evidence.selectors import TrailFilter, search_trail
from guildhall.evidence.tasks import tell_refused_reads
from guildhall.evidence.tests.poking import seal
from guildhall.kernel.errors import Denied
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import program, signed_in, tokens_of
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


def reads(tenant: TestTenant, **wanted: Any) -> list[dict[str, Any]]:
    """What was refused or noted of reading, oldest first."""
    with tenant_scope(tenant.schema):
        rows = search_trail(TrailFilter(**wanted), limit=500)[::-1]
    return [row for row in rows if row["action"] in ("read", "audit.note_read")]


def test_refused_reads_of_pages_and_api_are_in_the_trail_once_with_their_number(tenant: TestTenant) -> None:
    client = tenant.member("client")
    browser = signed_in(tenant, client)
    api = program(tenant, tokens_of(tenant, client)["access"])
    for _ in range(4):
        assert browser.get("/audit/").status_code == 403
    assert api.get("/api/v1/audit/").status_code == 403
    page, by_api = reads(tenant, actor=client.actor.ref)
    assert (page["subject"], page["outcome"], page["address"]) == ("page:/audit/", "denied", "127.0.0.1")
    assert page["actor"]["name"] == client.actor.name
    assert page["reason"]
    assert page["trace_id"]
    assert by_api["subject"] == "page:/api/v1/audit/"
    with tenant_scope(tenant.schema):
        key = f"refused:{client.actor.ref}:audit/"
        assert cache.get(key) == 3
        who = {"ref": client.actor.ref, "name": client.actor.name, "via": "portal", "address": "127.0.0.1"}
        for _ in range(2):
            tell_refused_reads._fn(key=key, route="audit/", who=who)
    assert [row["reason"] for row in reads(tenant, actor=client.actor.ref)[2:]] == ["3 more times within a minute"]
    seal()


def test_a_flood_of_refusals_on_every_route_leaves_a_few_rows(tenant: TestTenant) -> None:
    actor = tenant.actor("client")
    with tenant_scope(tenant.schema):
        for number in range(300):
            denial = Denied("This is for members.")
            note_refused(actor=actor, route=f"secret/{number}/", address=f"/secret/{number}/", denial=denial)
        assert cache.get(f"refused:{actor.ref}:others") == 300 - ROUTES_A_MINUTE
    assert len(reads(tenant, actor=actor.ref)) == ROUTES_A_MINUTE


def test_levels_say_what_is_kept_of_reading(tenant: TestTenant, settings: Any) -> None:
    viewer = tenant.member("viewer")
    browser = signed_in(tenant, viewer)
    api = program(tenant, tokens_of(tenant, viewer)["access"])
    sensitive = ("/audit/", "/costs/ledger/", "/settings/members/")
    for path in sensitive:
        browser.get(path)
    assert [row["action"] for row in reads(tenant, actor=viewer.actor.ref) if row["outcome"] == "done"] == []
    settings.AUDIT_LEVEL = 3
    for path in (*sensitive, "/audit/", "/stories/", "/"):
        browser.get(path)
    assert api.get("/api/v1/ledger/").status_code == 200
    found = [row["subject"] for row in reads(tenant, actor=viewer.actor.ref) if row["outcome"] == "done"]
    assert found == ["page:/audit/", "page:/costs/ledger/", *_if_seen(browser), "page:/api/v1/ledger/"]
    settings.AUDIT_LEVEL = 1
    client = tenant.member("client")
    assert signed_in(tenant, client).get("/audit/").status_code == 403
    assert reads(tenant, actor=client.actor.ref) == []


def _if_seen(browser: Any) -> list[str]:
    return ["page:/settings/members/"] if browser.get("/settings/members/").status_code == 200 else []
