"""The audit trail as people use it: searched, taken along, verified, followed through one operation."""

import csv
import io
import json
import re

import pytest

from governance.actions.holds import lift_hold, place_hold
from governance.web.audit_export import streamed
from guildhall.evidence.selectors import TrailFilter, recent, search_trail
from guildhall.evidence.tests.poking import seal
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import signed_in
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
FORMULA = "=cmd|' /C calc'!A0"


def text(response: object) -> str:
    return b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]


def test_the_trail_is_searched_followed_exported_and_verified(tenant: TestTenant) -> None:
    admin, viewer = tenant.actor("admin"), tenant.member("viewer")
    with tenant_scope(tenant.schema):
        place_hold(actor=admin, kind="agent", target="agent:mason", reason=FORMULA)
        lift_hold(actor=admin, kind="agent", target="agent:mason")
        (placed,) = search_trail(TrailFilter(text="CMD|", kind="governance."))
        assert [line["kind"] for line in search_trail(TrailFilter(actor=admin.ref, kind="governance.hold.lifted"))]
        assert search_trail(TrailFilter(text="nobody said this")) == []
    seal()
    browser = signed_in(tenant, viewer)
    page = browser.get("/audit/?kind=governance.hold.placed&text=calc").content.decode()
    assert admin.name in page
    assert page.count("<tr>") == 2, "a head and the one line"
    assert "Nothing fits this search" in browser.get("/audit/?text=nobody-said-this").content.decode()
    assert browser.get("/audit/?from=yesterday").status_code == 422
    assert browser.get("/audit/?operation=none").status_code == 422
    operation = browser.get(f"/audit/operations/{placed['operation_id']}/")
    assert (operation.status_code, admin.name in operation.content.decode()) == (200, True)
    rows = list(csv.DictReader(io.StringIO(text(browser.get("/audit/export/?as=csv&subject=agent:agent:mason")))))
    assert {row["reason"] for row in rows} == {"", f"'{FORMULA}"}, "a spreadsheet calculates nothing"
    lines = [json.loads(line) for line in text(browser.get("/audit/export/?as=jsonl")).splitlines()]
    assert placed["id"] in [line["id"] for line in lines]
    assert browser.get("/audit/export/?as=xml").status_code == 422
    cut = [json.loads(line) for line in text(streamed(viewer.actor, "jsonl", TrailFilter(), most=2)).splitlines()]
    assert [line["id"] for line in cut[:2]] > [lines[0]["id"]], "the newest two, the exports among them"
    assert (cut[2]["cut"], cut[2]["entries"], cut[2]["before"]) == (True, 2, cut[1]["id"])
    older = text(browser.get(f"/audit/export/?as=jsonl&before={cut[1]['id']}")).splitlines()
    assert json.loads(older[0])["id"] < cut[1]["id"]
    assert "cut" not in json.loads(older[-1]), "a file that is whole says nothing"
    assert browser.get("/audit/export/?before=all").status_code == 422
    last = list(csv.DictReader(io.StringIO(text(streamed(viewer.actor, "csv", TrailFilter(), most=1)))))[-1]
    assert last["sentence"].startswith("Cut here, after 1; there are older entries. Export again with before=")
    said = browser.submit("/audit/").content.decode()
    assert re.search(r"The chain is whole", said)
    with tenant_scope(tenant.schema):
        kinds = [line["kind"] for line in recent(actor=viewer.actor.ref)]
    assert kinds.count("evidence.audit.exported") == 3
    assert "evidence.audit.verified" in kinds
