"""Reputation over time: decay, and a replay of the event stream after all that can happen to a score."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from governance.actions.reputation import adjust_reputation, apply_reputation, decay_reputation
from governance.scoring import SHIPPED, ReputationKind
from governance.selectors import replayed_score, standing_of
from governance.selectors.reputation import history_of, recent_changes, streamed_scores, trends
from governance.tests.tools import kinds_recorded
from guildhall.kernel.errors import Denied, Invalid
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
MASON, WREN = "agent:mason", "agent:wren"


def weeks_ago(weeks: int) -> datetime:
    return timezone.now() - timedelta(weeks=weeks, hours=1)


def test_replaying_the_event_stream_gives_the_same_scores(tenant: TestTenant) -> None:
    system, admin = tenant.system(), tenant.actor("admin")
    with tenant_scope(tenant.schema):
        assert decay_reputation(actor=system, agent=MASON, idle_since=weeks_ago(3)) == 3
        for number, kind in enumerate([*SHIPPED, *SHIPPED]):
            for agent in (MASON, WREN):
                apply_reputation(actor=system, agent=agent, kind=kind, source=f"event:{number}")
        adjust_reputation(actor=admin, agent=WREN, points=-200, source="a", reason="deleted the wrong branch")
        adjust_reputation(actor=admin, agent=WREN, points=60, source="b", reason="it was not its fault after all")
        adjust_reputation(actor=admin, agent=MASON, points=90, source="a", reason="found a serious hole in time")
        apply_reputation(actor=system, agent=WREN, kind=ReputationKind.RUN_SUCCEEDED, source="event:99")
        told = {agent: standing_of(agent).score for agent in (MASON, WREN)}
        assert told == {MASON: 90, WREN: 70}
        assert streamed_scores() == told == {agent: replayed_score(agent) for agent in told}


def test_each_week_without_work_counts_once_however_often_it_is_asked(tenant: TestTenant) -> None:
    system, since = tenant.system(), weeks_ago(2)
    with tenant_scope(tenant.schema):
        assert [decay_reputation(actor=system, agent=MASON, idle_since=since) for _ in range(3)] == [2, 0, 0]
        assert standing_of(MASON).score == 98
        assert [(one.kind, one.points, one.reason) for one in history_of(MASON)] == [
            ("decay", -1, "2 weeks without work"),
            ("decay", -1, "1 week without work"),
        ]
        assert decay_reputation(actor=system, agent=MASON, idle_since=timezone.now()) == 0
        apply_reputation(actor=system, agent=MASON, kind=ReputationKind.TESTS_PASSED, source="event:1")
        assert decay_reputation(actor=system, agent=MASON, idle_since=since) == 0, "something happened since"
    assert kinds_recorded(tenant).count("governance.reputation.changed") == 3


def test_decay_stops_at_fifty_and_does_not_touch_who_is_below(tenant: TestTenant) -> None:
    system = tenant.system()
    with tenant_scope(tenant.schema):
        assert decay_reputation(actor=system, agent=MASON, idle_since=weeks_ago(70)) == 50
        assert (standing_of(MASON).score, standing_of(MASON).restricted) == (50, False)
        assert decay_reputation(actor=system, agent=MASON, idle_since=weeks_ago(70)) == 0
        apply_reputation(actor=system, agent=MASON, kind=ReputationKind.RUN_FAILED, source="event:1")
        assert (standing_of(MASON).score, standing_of(MASON).restricted) == (45, True)
        assert streamed_scores()[MASON] == 45


def test_only_the_platform_lets_scores_decay_and_only_people_adjust(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        for actor in (tenant.actor("admin"), tenant.agent("developer", "mason")):
            with pytest.raises(Denied):
                decay_reputation(actor=actor, agent=WREN, idle_since=weeks_ago(2))
        for kind in (ReputationKind.DECAY, ReputationKind.ADJUSTED):
            with pytest.raises(Invalid):
                apply_reputation(actor=tenant.system(), agent=WREN, kind=kind, source="x")
        for points, reason in (
            (0, "a good enough reason"),
            (201, "a good enough reason"),
            (5, " short "),
            (5, "x" * 301),
        ):
            with pytest.raises(Invalid):
                adjust_reputation(actor=tenant.actor("admin"), agent=WREN, points=points, source="x", reason=reason)
        assert standing_of(WREN).score == 100


def test_the_trend_is_told_back_from_the_present(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        apply_reputation(actor=tenant.system(), agent=MASON, kind=ReputationKind.RUN_FAILED, source="event:1")
        lines = trends([MASON, WREN], days=4)
        assert lines == {MASON: [100, 100, 100, 95], WREN: [100] * 4}
        assert [change.agent for change in recent_changes()] == [MASON]
