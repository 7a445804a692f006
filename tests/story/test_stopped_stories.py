"""Stories that are reset, carried over and dropped in the middle of their runs: the work stops and its money is settled."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal

import pytest
from django.db import connection

from governance.models import Reservation
from governance.scopes import ScopeKind
from governance.selectors import budgets
from gpu_workers.councils.convening import call_council
from gpu_workers.models import ChangeRequest, Run
from guildhall.evidence.selectors import recent
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import OpenAIServer, Rule
from tests.story.scripts import RIGHT, deliberating, planning, verdicts, writing
from tests.story.test_bugfix_story import STORY
from tests.support.clients import signed_in
from tests.support.processes import until
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.actions import transition_story
from workflows.models import Council, Story, Task

pytestmark = pytest.mark.integration
ACT = "Carry the task out now."
OTHER = "Round the till's VAT another way"
SCRIPT: list[Rule] = [
    *planning(),
    {"when": {"contains": [ACT], "without": [OTHER]}, "hold": True, "reply": {"text": "Nobody hears this."}},
    *writing(RIGHT, contains=[ACT, OTHER]),
    *({**rule, "hold": True} for rule in [*verdicts(), *deliberating()]),
]


@contextmanager
def at_work(world: World, model: OpenAIServer) -> Iterator[Run]:
    """The run that waits for an answer of the model; what happened meanwhile is told, and it is over afterwards."""
    model.holding.clear()

    def go_on() -> None:
        try:
            world.settle()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as beside:
        working = beside.submit(go_on)
        until(lambda: model.holding.is_set() or working.done(), seconds=60, what="a call that waits")
        with tenant_scope(world.tenant.schema):
            yield Run.objects.get(state="running")
        relay()
        consume(world.tenant.schema)
        working.result(60)


def is_over(world: World, run: Run, reason: str) -> None:
    """Nothing of the run is left: no claim, no reserved money; and whoever looks for it is told why."""
    with tenant_scope(world.tenant.schema):
        run.refresh_from_db()
        assert (run.state, run.reason, run.lease_until) == ("cancelled", reason, None)
        assert not Task.objects.exclude(holder="").exists()
        money = Reservation.objects.filter(owner__startswith=run.ref)
        assert money.exists()
        assert not money.filter(state="open").exists()
        assert {limit.reserved for limit in budgets(kind=ScopeKind.TENANT)} == {Decimal(0)}
        assert [row["subject"] for row in recent(kinds=["agent.run.let_go"])].count(run.ref) == 1, "its worker knows"


def test_what_a_story_had_under_way_stops_with_it(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    browser = signed_in(tenant, tenant.member("product_owner"))

    def act(story: Story, name: str, feedback: str = "") -> None:
        transition_story(actor=world.owner, story=story, name=name, feedback=feedback)

    with scripted_model(SCRIPT) as model:
        first = world.story(**STORY)
        with at_work(world, model) as run:
            act(first, "reset", "The rule is another one by now.")
        is_over(world, run, "TILL-1 was stopped: reset")
        assert "TILL-1 was stopped: reset" in browser.get(f"/runs/{run.number}/").content.decode()

        other = world.story(**{**STORY, "title": OTHER})
        with at_work(world, model) as run:
            assert run.kind == "review"
            act(other, "carry_over")
        is_over(world, run, "TILL-2 was stopped: carry over")
        with tenant_scope(tenant.schema):
            assert ChangeRequest.objects.get().state == "open", "the task goes on from there in another sprint"
            call_council(actor=world.owner, story=other, subject="solution")
        with at_work(world, model) as run:
            assert run.kind == "council"
            act(other, "drop")
        is_over(world, run, "TILL-2 was stopped: drop")
        hung_up = [call["status"] for call in model.journal].count(499)
    with tenant_scope(tenant.schema):
        other.refresh_from_db()
        assert (other.state, Council.objects.get().state) == ("archived", "stopped")
        assert ChangeRequest.objects.get().state == "closed", "nobody wants it any more"
        assert not Run.objects.filter(state__in=["queued", "running", "waiting"]).exists()
    assert hung_up == 1 + 1 + 3, "no call goes on behind anybody's back"
    assert "drop" in browser.get("/councils/1/").content.decode()
