"""Strategies that plan by themselves: fired once, in their owner's name, whatever dies or comes twice."""

import os
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from governance.actions.holds import lift_hold, place_hold
from governance.scopes import ScopeKind
from governance.selectors import budgets
from guildhall.evidence.delivery import deliver
from guildhall.evidence.selectors import head_position
from guildhall.kernel.actor import Actor
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.errors import Conflict, Denied, Invalid, Stale
from guildhall.kernel.postgres.base import close_pools
from guildhall.kernel.tenancy import identity_scope, tenant_scope
from tenants.models import Membership, User
from tests.support.clients import program, signed_in, tokens_of
from tests.support.evidence import ConsumerCursor
from tests.support.tenants import TestTenant
from workflows.actions import create_strategy, edit_strategy, set_schedule
from workflows.actions.firing import fire_schedule, write_scheduled_story
from workflows.actions.strategies import end_strategy, pause_strategy, resume_strategy
from workflows.models import Notice, Story, Strategy, StrategyRun, StrategySchedule
from workflows.selectors.beside import inbox_of
from workflows.tasks import fire_due_schedules
from workflows.tests.world import CRITERION, World

pytestmark = pytest.mark.integration
TEMPLATE = {
    "title": "Review the handbook, {date}",
    "brief": "Read every page of the handbook and correct what has changed since time {number}.",
    "acceptance": [CRITERION],
    "size": "S",
    "priority": "normal",
    "risk_labels": [],
    "budget_usd": Decimal("0.4"),
}


@pytest.fixture(scope="module")
def world(make_tenant: Callable[..., TestTenant]) -> World:
    """One tenant for all of these: every test makes a strategy of its own."""
    return World(make_tenant())


class Planned:
    """A strategy with a schedule, whose clock the test moves."""

    def __init__(self, world: World, overlap: str = "skip", owner: Actor | None = None) -> None:
        self.world, self.schema = world, world.tenant.schema
        self.owner = owner or world.po
        with tenant_scope(self.schema):
            self.strategy = create_strategy(
                actor=world.po, project=world.project, goal="Keep the handbook right.", budget_usd=Decimal("5")
            )
        self.plan(overlap)

    def plan(self, overlap: str) -> None:
        """Give the strategy its schedule, or another one."""
        with tenant_scope(self.schema):
            set_schedule(
                actor=self.owner,
                strategy=self.strategy,
                cron=f"0 {(timezone.now().hour + 12) % 24} * * *",  # never within the last hours of a test
                timezone="UTC",
                template=TEMPLATE,  # type: ignore[arg-type]
                overlap=overlap,
            )

    def scheduler(self) -> None:
        with tenant_scope(self.schema):
            fire_due_schedules._fn()

    def due(self) -> None:
        """The next time is a moment ago."""
        with tenant_scope(self.schema):
            last = StrategyRun.objects.filter(strategy=self.strategy).count()
            StrategySchedule.objects.filter(strategy=self.strategy).update(next_at=Now() - timedelta(minutes=30 - last))

    def fire(self) -> StrategyRun:
        """One firing, carried out."""
        self.due()
        self.scheduler()
        self.world.settle()
        return self.runs()[-1]

    def runs(self) -> list[StrategyRun]:
        with tenant_scope(self.schema):
            return list(StrategyRun.objects.filter(strategy=self.strategy).select_related("story").order_by("number"))


def children(works: list[Callable[[], None]]) -> list[int]:
    """Run these at once, each in a forked process with connections of its own; their exit codes."""
    connection.close()
    close_pools()
    gate, opened = os.pipe()
    pids = []
    for work in works:
        pid = os.fork()
        if pid == 0:
            os.close(opened)
            code = 1
            try:
                os.read(gate, 1)
                work()
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    os.close(gate)
    os.close(opened)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def test_a_firing_writes_and_submits_a_story_in_its_owners_name(world: World) -> None:
    planned = Planned(world)
    run = planned.fire()
    assert (run.state, run.number, run.submitted) == ("planned", 1, True)
    story = run.story
    assert story is not None
    with tenant_scope(world.tenant.schema):
        story.refresh_from_db()
        assert (story.state, story.author, story.strategy_id) == ("po_review", world.po.ref, planned.strategy.pk)
        assert story.title == f"Review the handbook, {run.due_at:%Y-%m-%d}"
        assert "since time 1" in story.brief
        assert story.dor_score == 100
        schedule = StrategySchedule.objects.get(strategy=planned.strategy)
        assert schedule.next_at > run.fired_at
    planned.scheduler()
    assert len(planned.runs()) == 1, "nothing is due any more"


def test_schedulers_that_look_at_the_same_moment_fire_once(world: World) -> None:
    planned = Planned(world)
    planned.due()
    assert children([planned.scheduler] * 4) == [0] * 4
    world.settle()
    assert [run.state for run in planned.runs()] == ["planned"]
    with tenant_scope(world.tenant.schema):
        assert Story.objects.filter(strategy=planned.strategy).count() == 1


def test_a_scheduler_that_was_down_makes_up_for_everything_with_one_firing(world: World) -> None:
    planned = Planned(world)
    with tenant_scope(world.tenant.schema):
        StrategySchedule.objects.filter(strategy=planned.strategy).update(next_at=Now() - timedelta(days=4, minutes=1))
    planned.scheduler()
    world.settle()
    planned.scheduler()
    [run] = planned.runs()
    assert run.missed >= 3
    assert run.state == "planned"


def test_what_rests_is_held_or_has_ended_does_not_fire(world: World) -> None:
    planned = Planned(world)
    schema, strategy = world.tenant.schema, planned.strategy
    with tenant_scope(schema):
        place_hold(actor=world.po, kind="tenant", target="", reason="Everybody is on holiday.")
    planned.due()
    planned.scheduler()
    assert planned.runs() == []
    with tenant_scope(schema):
        lift_hold(actor=world.po, kind="tenant", target="")
    planned.scheduler()
    world.settle()
    assert len(planned.runs()) == 1, "the time that was held back is made up for"
    with tenant_scope(schema):
        pause_strategy(actor=world.po, strategy=strategy, reason="Until the new year.")
    planned.due()
    planned.scheduler()
    with tenant_scope(schema):
        resume_strategy(actor=world.po, strategy=strategy)
    planned.scheduler()
    assert len(planned.runs()) == 1, "what came while it was paused is not made up for"
    with tenant_scope(schema):
        end_strategy(actor=world.po, strategy=strategy)
        planned.due()
        with pytest.raises(Conflict):
            fire_schedule(actor=world.system, strategy=strategy)
        with pytest.raises(Conflict):
            resume_strategy(actor=world.po, strategy=strategy)


def test_a_firing_is_skipped_while_the_one_before_is_unfinished(world: World) -> None:
    planned = Planned(world)
    first = planned.fire()
    second = planned.fire()
    assert (second.state, second.story) == ("skipped", None)
    assert "time 1" in second.reason
    assert first.story is not None
    world.move(first.story, "reject_scope", world.po, feedback="Not this month, thank you.")
    assert planned.fire().state == "planned", "what was sent back to draft holds nothing up"


def test_a_queued_firing_begins_when_the_one_before_is_finished(world: World) -> None:
    planned = Planned(world, "queue")
    first = planned.fire()
    assert [run.state for run in (planned.fire(), planned.fire())] == ["queued", "queued"]
    assert first.story is not None
    world.move(first.story, "reset", world.po, feedback="We begin anew, thank you.")
    world.settle()
    assert [run.state for run in planned.runs()] == ["planned", "planned", "queued"]


def test_a_firing_replaces_the_one_before(world: World) -> None:
    planned = Planned(world, "replace")
    first = planned.fire()
    assert first.story is not None
    world.move(first.story, "approve_scope", world.po)
    second = planned.fire()
    assert [run.state for run in planned.runs()] == ["replaced", "planned"]
    assert world.state(first.story) == "draft"
    assert second.story is not None
    assert world.state(second.story) == "po_review"


def test_firings_that_are_settled_stay_so_when_they_are_told_again(world: World) -> None:
    planned = Planned(world)
    story = planned.fire().story
    assert story is not None
    world.move(story, "reject_scope", world.po, feedback="Not this month, thank you.")
    assert planned.fire().state == "planned"
    planned.plan("replace")
    world.move(story, "submit", world.po)  # wanted after all, beside the later one
    world.settle()
    runs = [(run.state, run.reason) for run in planned.runs()]
    with tenant_scope(world.tenant.schema):
        stories = dict(Story.objects.values_list("reference", "state"))
        ConsumerCursor.objects.filter(consumer="workflows.schedules").update(position=0)
        assert deliver(registered_consumers()["workflows.schedules"]) == head_position()
        assert dict(Story.objects.values_list("reference", "state")) == stories
    assert [(run.state, run.reason) for run in planned.runs()] == runs


def test_a_killed_carrying_out_writes_one_story(world: World) -> None:
    """Delivered again from every point at which it could have stopped, it makes no second story."""
    planned = Planned(world)
    planned.due()
    planned.scheduler()
    with tenant_scope(world.tenant.schema):
        write_scheduled_story(actor=world.po, strategy=planned.strategy, number=1)
    world.settle()
    [run] = planned.runs()
    assert (run.state, run.submitted) == ("planned", True)
    with tenant_scope(world.tenant.schema):
        assert Story.objects.filter(strategy=planned.strategy).count() == 1
        with pytest.raises(Conflict):
            write_scheduled_story(actor=world.po, strategy=planned.strategy, number=1)


def test_an_owner_who_left_writes_nothing_and_it_says_so(world: World) -> None:
    owner = world.tenant.actor("product_owner", name="Leaver")
    planned = Planned(world, "replace", owner=owner)
    assert planned.fire().state == "planned"
    with identity_scope():
        User.objects.filter(public_id=owner.id).update(is_active=False)
    for _ in range(2):
        run = planned.fire()
        assert (run.state, run.story) == ("failed", None)
        assert "left" in run.reason
    with tenant_scope(world.tenant.schema):
        [line] = [one for one in inbox_of(world.po) if "takes it over" in one.sentence]
        assert "has left" in line.sentence, "told once, to who can mend it"


def test_a_schedule_that_never_wrote_a_story_tells_its_owner_and_leads_to_the_strategy(world: World) -> None:
    owner, viewer = world.tenant.actor("product_owner", name="Demoted"), world.tenant.actor("viewer")
    planned = Planned(world, "replace", owner=owner)
    with identity_scope():
        user = User.objects.get(public_id=owner.id).pk
    with tenant_scope(world.tenant.schema):
        Membership.objects.filter(user_id=user).update(roles=["developer"])
    for _ in range(2):
        run = planned.fire()
        assert (run.state, run.story) == ("failed", None)
    place = f"/strategies/{planned.strategy.pk}/"
    with tenant_scope(world.tenant.schema):
        told = Notice.objects.filter(strategy=planned.strategy)
        assert set(told.values_list("person", flat=True)) >= {owner.ref, world.po.ref}
        assert viewer.ref not in told.values_list("person", flat=True)
        [line] = [one for one in inbox_of(owner) if one.strategy_id == planned.strategy.pk]
        assert (line.story, "could not write a story" in line.sentence) == (None, True)
        mine = inbox_of(world.po).get(strategy=planned.strategy)
        with pytest.raises(IntegrityError), transaction.atomic():
            Notice.objects.create(person=owner.ref, kind="moved", sentence="About nothing.", actor="system:x")
    browser = signed_in(world.tenant, world.tenant.member("product_owner"))
    assert "could not write a story" in browser.get("/inbox/").content.decode()
    assert browser.submit("/inbox/", {"read": str(mine.pk)})["Location"] == place
    assert f'href="{place}"' in browser.get("/inbox/").content.decode()
    api = program(world.tenant, tokens_of(world.tenant, world.tenant.member("product_owner"))["access"])
    rows = api.get("/api/v1/inbox/").json()["results"]
    assert [row["story"] for row in rows if row["strategy"] == planned.strategy.pk] == [None]


def test_who_may_set_what(world: World, other_tenant: TestTenant) -> None:
    planned = Planned(world)
    strategy = planned.strategy
    good = {"cron": "0 9 * * *", "timezone": "UTC", "template": TEMPLATE}
    with tenant_scope(world.tenant.schema):
        strategy = Strategy.objects.get(pk=strategy.pk)
        for role in ("developer", "viewer", "client"):
            with pytest.raises(Denied):
                set_schedule(actor=world.tenant.actor(role), strategy=strategy, **good)  # type: ignore[arg-type]
        with pytest.raises(Denied, match="product owner"):
            set_schedule(actor=world.tenant.actor("admin"), strategy=strategy, overlap="replace", **good)  # type: ignore[arg-type]
        with pytest.raises(Denied):
            fire_schedule(actor=world.po, strategy=strategy)
        with pytest.raises(Invalid) as bad:
            set_schedule(actor=world.po, strategy=strategy, cron="every day", timezone="UTC", template={"title": "x"})
        assert set(bad.value.fields) == {"cron"}
        with pytest.raises(Invalid) as bad:
            set_schedule(actor=world.po, strategy=strategy, cron="0 9 * * *", timezone="UTC", template={"brief": "x"})
        assert set(bad.value.fields) == {"title"}
        with pytest.raises(Invalid):
            set_schedule(actor=world.po, strategy=strategy, overlap="pile up", **good)  # type: ignore[arg-type]
        with pytest.raises(Stale):
            edit_strategy(actor=world.po, strategy=strategy, change={"title": "Handbook"}, version=1)
        with pytest.raises(Invalid):
            edit_strategy(actor=world.po, strategy=strategy, change={"budget_usd": None})
        edit_strategy(actor=world.po, strategy=strategy, change={"budget_usd": Decimal("7"), "title": "Handbook"})
    world.settle()
    with tenant_scope(world.tenant.schema):
        assert [b.limit for b in budgets(kind=ScopeKind.STRATEGY, scope_id=str(strategy.pk))] == [Decimal("7")]
    with tenant_scope(other_tenant.schema), pytest.raises(RuntimeError):
        fire_schedule(actor=world.system, strategy=strategy)
