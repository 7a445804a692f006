"""What is begun through an API key counts for that key, whoever does the work; its limit stops it and nothing else."""

from dataclasses import replace
from decimal import Decimal

import pytest

from governance.actions.limits import set_limit
from governance.actions.starters import note_starter, pass_starter_on
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import pending_for, spend_by
from governance.selectors.starters import key_scopes
from governance.tests.asking import answer
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from guildhall.kernel.tenancy import tenant_scope
from tenants.models import ApiKey
from tests.api.people import Caller, People
from tests.api.test_story_by_api import STORY
from tests.story.scripts import planning
from tests.support.clients import program, tokens_of
from tests.support.pump import settle
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration


def plan_of(story: str) -> Run:
    return Run.objects.get(subject=f"story:{story}", kind="plan")


def begin(by: Caller, owner: Caller, reference: str) -> None:
    """Written and submitted by one, let through by the product owner, through a key of theirs as well."""
    by.post("stories/", STORY, status=201)
    by.post(f"stories/{reference}/transitions/", {"name": "submit"})
    owner.post(f"stories/{reference}/transitions/", {"name": "approve_scope"})


def test_a_key_spends_no_more_than_its_limit_whatever_was_begun_through_it(
    tenant: TestTenant, other_tenant: TestTenant
) -> None:
    World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    people = People(tenant)
    limited, free = people.developer, people.join("developer", "second")
    by_hand = Caller(program(tenant, tokens_of(tenant, tenant.member("developer", name="third"))["access"]))
    owner = Caller(program(tenant, tokens_of(tenant, tenant.member("product_owner"))["access"]))
    admin = tenant.actor("admin")
    with tenant_scope(tenant.schema):
        first, second = (str(pk) for pk in ApiKey.objects.order_by("pk").values_list("pk", flat=True))
        for window in (Window.HOUR, Window.TOTAL):
            set_limit(actor=admin, kind=ScopeKind.API_KEY, scope_id=first, window=window, amount=Decimal("0.0001"))
    with scripted_model(planning()) as model:
        begin(limited, owner, "TILL-1")
        settle(tenant.schema)
        assert model.journal == [], "nothing was called for the key"
        begin(free, owner, "TILL-2")
        begin(by_hand, owner, "TILL-3")
        settle(tenant.schema)
        with tenant_scope(tenant.schema):
            waits = plan_of("TILL-1")
            assert (waits.state, f"limit of api_key {first}" in waits.reason) == (RunState.WAITING, True)
            assert {plan_of(story).state for story in ("TILL-2", "TILL-3")} == {RunState.SUCCEEDED}
            spent = {line.owner: line.spent for line in spend_by("api_key")}
            assert set(spent) == {second, ""}
            assert all(amount > 0 for amount in spent.values())
            assert key_scopes("story:TILL-1") == (Scope(ScopeKind.API_KEY, first),)
            assert key_scopes("run:99", "story:TILL-3") == ()
        with tenant_scope(other_tenant.schema):
            assert key_scopes("story:TILL-1") == (), "another organisation's story of that name"
        _go_on(tenant)
        # Begun anew by hand, it is no key's any more.
        by_hand.post("stories/TILL-1/transitions/", {"name": "reset"}, status=403)
        owner.post("stories/TILL-1/transitions/", {"name": "reset", "feedback": "Once more, and by hand this time."})
        by_hand.post("stories/TILL-1/transitions/", {"name": "submit"})
    with tenant_scope(tenant.schema):
        assert key_scopes("story:TILL-1") == ()
        assert {line.owner for line in spend_by("api_key")} == {first, second, ""}, "what it has cost stays the key's"


def _go_on(tenant: TestTenant) -> None:
    """People raise the key's limits as they are asked, one after the other, and the run goes on where it stopped."""
    admin = tenant.actor("admin")
    for _ in range(4):
        with tenant_scope(tenant.schema):
            for asked in pending_for(admin):
                assert asked.kind == "budget_override"
                assert asked.subject.startswith("budget:api_key:")
                answer(admin, asked)
        settle(tenant.schema)
    with tenant_scope(tenant.schema):
        assert plan_of("TILL-1").state == RunState.SUCCEEDED


def test_the_first_key_stays_and_what_a_schedule_writes_is_of_the_key_that_set_it(tenant: TestTenant) -> None:
    by_hand = tenant.actor("developer")
    first, second = replace(by_hand, key="7"), replace(by_hand, key="8")
    with tenant_scope(tenant.schema):
        note_starter(actor=by_hand, subject="council:1")
        assert key_scopes("council:1") == ()
        for actor in (first, second, by_hand):
            note_starter(actor=actor, subject="council:1")
        note_starter(actor=second, subject="strategy:1", anew=True)
        for strategy, story in (("strategy:1", "story:A-1"), ("strategy:2", "story:A-2")):
            pass_starter_on(of=strategy, to=story)
        note_starter(actor=by_hand, subject="strategy:1", anew=True)
        pass_starter_on(of="strategy:1", to="story:A-3")
        assert key_scopes("council:1", "story:A-1") == (Scope(ScopeKind.API_KEY, "7"),), "the nearest counts"
        assert key_scopes("run:1", "story:A-1") == (Scope(ScopeKind.API_KEY, "8"),)
        assert key_scopes("story:A-2", "story:A-3", "strategy:1") == ()
