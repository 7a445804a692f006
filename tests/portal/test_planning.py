"""Pages of plans: forms do what the API does, say what was wrong beside its cause, and keep what was typed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import signed_in
from tests.support.tenants import TestTenant
from workflows.models import Decision, Epic, Sprint, Strategy
from workflows.planning import TaskDraft
from workflows.tests.world import World

pytestmark = pytest.mark.integration


def test_a_product_owner_plans_with_forms_alone(tenant: TestTenant) -> None:
    world = World(tenant)
    browser = signed_in(tenant, tenant.member("product_owner"))

    def page(path: str) -> str:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        return answer.content.decode()

    def sent(path: str, **form: str) -> str:
        """Where a form leads."""
        answer = browser.submit(path, form)
        assert answer.status_code == 302, answer.content.decode()[:3000]
        return str(answer["Location"])

    goal = {"project": "SHOP", "title": "Handbook", "goal": "<b>Right</b>", "autonomy": "L1", "budget_usd": "a lot"}
    refused = browser.submit("/strategies/new/", goal)
    assert refused.status_code == 422
    assert "Give US dollars" in refused.content.decode()
    assert "&lt;b&gt;Right&lt;/b&gt;</textarea>" in refused.content.decode()
    strategy = sent("/strategies/new/", **{**goal, "budget_usd": "5"})
    bad = browser.submit(
        f"{strategy}schedule/", {"cron": "every day", "timezone": "UTC", "title": "Review {date}", "overlap": "skip"}
    )
    assert bad.status_code == 422
    assert "Give five fields" in bad.content.decode()
    sent(f"{strategy}schedule/", cron="0 9 * * MON", timezone="Europe/Berlin", title="Review {date}", overlap="queue")
    assert "At 09:00 on Monday" in page(strategy)
    assert ", 09:00 Europe/Berlin" in page(strategy), "when it is next, by the schedule's own clock"
    assert ", 09:00 Europe/Berlin" in page("/strategies/")
    stale = browser.submit(f"{strategy}edit/", {**goal, "budget_usd": "6", "version": "1"})
    assert stale.status_code == 412
    sent(strategy, act="pause")
    assert "rests while paused" in page(strategy)
    epic = sent("/epics/new/", project="SHOP", title="Answers", strategy=strategy.split("/")[2])
    assert "Answers" in page("/strategies/")
    assert "0 of 0" in page(epic).replace('</span><span class="text-3 fs-sm">', " ")

    first = epic.split("/")[2]
    refunds = sent("/epics/new/", project="SHOP", title="Refunds", strategy=strategy.split("/")[2])
    assert browser.submit(epic, {"act": "up"}).status_code == 409
    sent(refunds, act="up")
    listed = page("/strategies/")
    assert listed.index("Refunds") < listed.index("Answers")
    sent(refunds, act="down")
    assert page("/strategies/").index("Answers") < page("/strategies/").index("Refunds")
    assert f'<option value="{first}" selected>' in page(f"/stories/new/?project=SHOP&epic={first}")
    written = sent("/stories/new/", project="SHOP", title="Say how", epic=first)
    assert written in page(epic)
    other = sent("/stories/new/", project="SHOP", title="Say when", epic=first)
    one, two = written.split("/")[2], other.split("/")[2]
    place = {"act": "place", "story": two, "version": "1"}
    sent(epic, **place, before=one)
    assert page(epic).index(f"placed-{two}") < page(epic).index(f"placed-{one}")
    late = browser.submit(epic, {**place, "before": ""})
    assert (late.status_code, "It was changed meanwhile" in late.content.decode()) == (412, True)
    assert browser.submit(epic, {**place, "before": "SHOP-999"}).status_code == 422
    sent(epic, act="place", story=two, before="")
    assert page(epic).index(f"placed-{one}") < page(epic).index(f"placed-{two}")
    strange = browser.submit(f"{written}edit/", {"title": "Say how", "epic": "9999"})
    assert (strange.status_code, "Choose one of the list." in strange.content.decode()) == (422, True)
    sent(f"{written}edit/", title="Say how", epic=refunds.split("/")[2], strategy=strategy.split("/")[2], version="1")
    assert browser.submit(f"{written}edit/", {"title": "Say how", "epic": first, "version": "1"}).status_code == 412
    assert written in page(refunds)
    sent(f"{written}edit/", title="Say how", epic="", strategy="")
    assert written not in page(refunds)

    today = timezone.now().date()
    sprint = sent("/sprints/new/", project="SHOP", capacity="8", ends_on=f"{today + timedelta(days=3)}")
    story = world.write()
    world.move(story, "submit", world.developer)
    world.move(story, "approve_scope", world.po)
    world.move(story, "derive_tasks", world.architect, add=(TaskDraft("Write it", "developer"),))
    assert "Planned, not committed" in page(sprint)
    sent(sprint, act="commit", story=story.reference)
    shown = page(sprint)
    assert "2 of at most 2 points remain" in shown
    assert "Show as table" in shown
    sent(sprint, act="take_out", story=story.reference)
    sent(sprint, act="commit", story=story.reference)
    assert browser.submit(sprint, {"act": "close", "version": "99"}).status_code == 412
    sent(sprint, act="close")
    world.settle()
    assert "What it came to" in page(sprint)
    assert world.state(story) == "carry_over"

    proposal = {"kind": "design", "title": "Pages", "rationale": "Short.", "affects": story.ref}
    decision = sent("/decisions/new/", **proposal, alternatives="One page | Too long\nA wiki")
    assert "Too long" in page(decision)
    assert "Pages" in page(f"/stories/{story.reference}/")
    assert browser.submit(decision, {"act": "reject", "feedback": "no"}).status_code == 422
    sent(decision, act="approve")
    assert "Pages" in page("/decisions/?verdict=approved&affects=" + story.ref)
    assert "No decision fits" in page("/decisions/?verdict=rejected")
    with tenant_scope(tenant.schema):
        counts = [model.objects.count() for model in (Strategy, Epic, Sprint, Decision)]
    assert counts == [1, 2, 1, 1]
