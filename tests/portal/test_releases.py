"""Release controls by forms alone: closing environments, what waits for them, opening them again, and who may."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from governance.actions.release import hold_environment
from governance.models import ReleaseHold
from governance.selectors import active_policy
from governance.tests.asking import answer, ask
from guildhall.evidence.selectors import recent
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import Browser, signed_in
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
PLACE = "/settings/releases/"
WHY = "The Christmas sale has begun."
RULES = """
release:
  weekly_freezes:
    - starts: fri 16:00
      ends: fri 16:00
      time_zone: Europe/London
      reason: Nobody is here.
      environments: ["till:*"]
  approvers:
    - environments: ["docs:main"]
      count: 2
"""


def shown(browser: Browser, path: str = PLACE) -> str:
    page = browser.get(path)
    assert page.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def test_environments_are_closed_and_opened_with_a_reason(tenant: TestTenant) -> None:
    devops, viewer = signed_in(tenant, tenant.member("devops")), signed_in(tenant, tenant.member("viewer"))
    with tenant_scope(tenant.schema):
        put_policy(tenant, re.sub(r"(?m)^release:.*\n(?:[ #].*\n)*", "", active_policy().text) + RULES)
        binding = {"commit_sha": "ab" * 20, "environment": "shop:main", "cost_ceiling_usd": "0.50"}
        given = ask(tenant, subject="task:SHOP-1.1", title="Merge the returns FAQ", binding=binding)
        answer(tenant.actor("product_owner"), given)
    seen = shown(devops)
    assert "shop:main Needs CI and 1 approver at least. 1 approved change not landed Open" in seen
    assert "Approvers for docs:main at least 2 people approve" in seen
    assert "every week, fri 16:00 to fri 16:00 (Europe/London): Nobody is here." in seen
    assert "till:main Freeze until" in shown(devops, f"{PLACE}?environment=till:main")
    for wrong, said in (
        ({"environment": "shop:*", "reason": "short"}, "Say why in 10 to 300 characters"),
        ({"environment": "", "reason": WHY}, "Name an environment"),
        ({"environment": "shop:*", "reason": WHY, "until": "soon"}, "Give a day and a time"),
        ({"environment": "shop:*", "reason": WHY, "until": "9999-12-31T23:59-23:59"}, "Give a day and a time"),
        ({"environment": "shop:*", "reason": WHY, "until": "2020-01-01T10:00"}, "This is over already"),
    ):
        refused = devops.submit(PLACE, {"kind": "freeze", **wrong})
        assert (refused.status_code, said in refused.content.decode()) == (422, True), wrong
    until = datetime.now(UTC) + timedelta(days=2)
    freeze = {"kind": "freeze", "environment": "shop:*", "reason": WHY, "until": f"{until:%Y-%m-%dT%H:%M}"}
    assert devops.submit(PLACE, freeze).status_code == 302
    assert devops.submit(PLACE, freeze).status_code == 409
    seen = shown(viewer)
    assert f"Freeze of shop:* {WHY} Devops" in seen
    assert f"until {until:%-d %b %Y, %H:%M}" in seen
    assert "Closed" in seen
    assert "End it" not in seen, "whoever may not sees no button for it"
    with tenant_scope(tenant.schema):
        row = ReleaseHold.objects.get()
        assert recent(subject="environment:shop:*")[0]["reason"] == WHY
    end = f"{PLACE}{row.pk}/"
    assert "1 approved change waits there and lands within a minute" in shown(devops, end)
    assert viewer.submit(end, {"reason": WHY}, form_at=PLACE).status_code == 403
    assert devops.submit(end, {"reason": "short"}).status_code == 422
    assert devops.submit(end, {"reason": "The sale is over, all is quiet."}).status_code == 302
    assert devops.submit(end, {"reason": "The sale is over, all is quiet."}, form_at=PLACE).status_code == 409
    seen = shown(viewer)
    assert "Nothing is closed by hand" in seen
    assert f"Freeze of shop:* {WHY}" in seen, "it is kept among those that are over"


def test_a_freeze_ends_by_the_clock_and_another_keeps_what_it_covers_closed(tenant: TestTenant) -> None:
    devops = signed_in(tenant, tenant.member("devops"))
    with tenant_scope(tenant.schema):
        binding = {"commit_sha": "ab" * 20, "environment": "shop:main", "cost_ceiling_usd": "0.50"}
        ask(tenant, subject="task:SHOP-1.1", title="Merge the returns FAQ", binding=binding)
        for environment in ("shop:main", "*"):
            hold_environment(actor=tenant.actor("devops"), kind="lock", environment=environment, reason=WHY)
        first = ReleaseHold.objects.get(environment="shop:main")
    assert "Something else still keeps shop:main closed." in shown(devops, f"{PLACE}{first.pk}/")
    with tenant_scope(tenant.schema):
        ReleaseHold.objects.update(until=datetime.now(UTC) - timedelta(minutes=1))
    seen = shown(devops)
    assert "Nothing is closed by hand" in seen
    assert "its time was over" in seen
    assert "Open" in seen
