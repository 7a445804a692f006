"""The policy by forms alone and by the API: written with the wrong lines named, compared, tried on the past, approved."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from governance.selectors import active_policy
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import program, signed_in, tokens_of
from tests.support.pages import text_of
from tests.support.pump import settle
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
HOME, NEW = "/settings/policies/", "/settings/policies/new/"
API = "/api/v1/policy/"


@pytest.fixture(scope="module")
def house(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    tenant = make_tenant()
    for role in ("admin", "product_owner", "architect"):
        tenant.member(role)
    return tenant


def active_text(house: TestTenant) -> str:
    with tenant_scope(house.schema):
        return active_policy().text


def test_a_change_by_forms_from_a_wrong_line_to_being_in_force(house: TestTenant) -> None:
    author, approver = signed_in(house, house.member("admin")), signed_in(house, house.member("product_owner"))
    text = active_text(house)
    assert 'name="text"' in text_of(author.get(NEW))
    wrong = text.replace("steps: 150", "steps: sixty")
    line = 1 + wrong[: wrong.index("steps: sixty")].count("\n")
    refused = author.submit(NEW, {"text": wrong, "reason": "Fewer steps for agents."})
    assert refused.status_code == 422
    shown = text_of(refused)
    assert f'<td class="ln">{line}</td>' in shown
    assert "runs.steps: give a whole number" in shown
    assert "steps: sixty</td>" in shown
    assert "Fewer steps for agents." in shown, "what was written is not lost"
    kept = author.submit(NEW, {"text": text.replace("steps: 150", "steps: 40"), "reason": "Fewer steps for agents."})
    address = kept["Location"]
    assert re.fullmatch(r"/settings/policies/drafts/\d+/", address)
    page = text_of(author.get(address))
    assert "It loosens nothing." in page
    assert "steps: 40" in page
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert digest is not None
    stale = author.submit(address, {"act": "submit", "digest": "0" * 64})
    assert stale.status_code == 409
    assert author.submit(address, {"act": "submit", "digest": digest[1]}).status_code == 302
    number = re.search(r"/approvals/(\d+)/", text_of(author.get(address)))
    assert number is not None
    asked = text_of(approver.get(f"/approvals/{number[1]}/"))
    assert "What changes" in asked
    assert "steps: 40" in asked
    bound = re.search(r'name="binding_hash" value="([0-9a-f]{64})"', asked)
    assert bound is not None
    own = author.submit(f"/approvals/{number[1]}/", {"decision": "approve", "binding_hash": bound[1]})
    assert own.status_code == 403
    assert active_text(house) == text
    approver.submit(f"/approvals/{number[1]}/", {"decision": "approve", "binding_hash": bound[1]})
    settle(house.schema)
    assert "steps: 40" in active_text(house)
    assert "It came into force as" in text_of(author.get(address))
    home = text_of(author.get(HOME))
    assert "Version 2" in home
    assert "In force" in home
    assert "Propose this text again" in text_of(author.get(f"{HOME}versions/1/"))
    assert "steps: 150" in text_of(author.get(f"{NEW}?from=1"))


def test_the_api_checks_proposes_simulates_and_refuses(house: TestTenant) -> None:
    client = program(house, tokens_of(house, house.member("architect"))["access"])

    def post(path: str, body: dict[str, Any]) -> Any:
        return client.post(path, body, content_type="application/json")

    text = active_text(house)
    bad = post(f"{API}check/", {"text": f"a: &x [1]\nb: *x\n{text}"}).json()
    assert bad["valid"] is False
    assert bad["problems"][0]["line"] == 1
    assert post(f"{API}check/", {"text": text}).json() == {"valid": True, "problems": []}
    body = {"text": text, "reason": "Nothing is changed."}
    same = post(f"{API}drafts/", body).json()
    refused = post(f"{API}drafts/{same['number']}/submit/", {"digest": same["digest"]})
    assert refused.status_code == 409
    looser = post(
        f"{API}drafts/", {"text": text.replace("threshold: 0.70", "threshold: 0.50"), "reason": "Fewer questions."}
    )
    assert looser.status_code == 201
    draft = looser.json()
    assert (draft["risk"], draft["loosens"]) == ("high", ["less confidence is enough"])
    assert [row["mark"] for row in draft["diff"] if row["mark"] in "+-"] == ["-", "+"]
    found = client.get(f"{API}drafts/{draft['number']}/simulation/").json()
    assert {row["kind"] for row in found["kinds"]} == {"approval"}
    assert any("outputs and prompts" in words for words in found["not_simulated"])
    submitted = post(f"{API}drafts/{draft['number']}/submit/", {"digest": draft["digest"]}).json()
    assert submitted["state"] == "asked"
    assert submitted["approval"]
    edit = {"text": text + "# more\n", "reason": "Another text.", "revision": 9}
    assert client.put(f"{API}drafts/{draft['number']}/", edit, content_type="application/json").status_code == 412
    withdrawn = post(f"{API}drafts/{draft['number']}/withdraw/", {}).json()
    assert withdrawn["state"] == "withdrawn"
    settle(house.schema)
    gone = client.get(f"/api/v1/approvals/{submitted['approval']}/").json()
    assert gone["state"] == "void"
    assert client.get(f"{API}versions/1/").json()["approval"] is None
    report = client.get("/api/v1/confidence/calibration/").json()
    assert (report["number"], report["brier"]) == (0, None)


def test_a_file_that_is_no_text_is_refused_with_its_line(house: TestTenant) -> None:
    author = signed_in(house, house.member("admin"))
    sent = SimpleUploadedFile("policy.yaml", b"format: 1\nfiles: \xff\xfe\n")
    answer = author.submit(NEW, {"text": "", "reason": "From a file of mine.", "file": sent})
    assert answer.status_code == 422
    assert "line 2: this is not UTF-8 text" in text_of(answer)
