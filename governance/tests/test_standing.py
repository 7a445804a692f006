"""Reputation, policy in force, kill switches, and what they let an agent do."""

import threading
from pathlib import Path

import pytest
from django.db import DatabaseError, connection

from governance.actions.holds import lift_hold, place_hold
from governance.actions.reputation import adjust_reputation, apply_reputation
from governance.actions.seeding import seed_governance
from governance.autonomy import ActionClass, Autonomy, Decision, Environment, Risk, Verdict
from governance.scoring import ReputationKind
from governance.selectors import active_policy, decide_for, is_held, replayed_score, reputation_history, standing_of
from governance.tests.tools import kinds_recorded, rows
from guildhall.kernel.errors import Conflict, Denied, Invalid
from guildhall.kernel.tenancy import tenant_scope
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration

DEFAULT = (Path(__file__).parents[1] / "policies" / "default.yaml").read_text()
MASON = "agent:mason"


def may(action: ActionClass, **options: object) -> Decision:
    return decide_for(
        MASON,
        action,
        environment=Environment.WORKSPACE,
        strategy_level=Autonomy.SUPERVISED,
        agent_cap=Autonomy.SUPERVISED,
        risk=Risk.LOW,
        **options,  # type: ignore[arg-type]
    )


def test_a_happening_gives_its_points_once(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        for _ in range(3):
            standing = apply_reputation(
                actor=tenant.system(), agent=MASON, kind=ReputationKind.RUN_FAILED, source="event:7"
            )
        assert standing.score == 95
        apply_reputation(actor=tenant.system(), agent=MASON, kind=ReputationKind.TESTS_FAILED, source="event:7")
        assert standing_of(MASON).score == replayed_score(MASON) == 92
        assert standing_of("agent:nobody").score == 100
    assert kinds_recorded(tenant).count("governance.reputation.changed") == 2


def test_a_replay_gives_the_same_score_even_at_the_floor_and_from_many_threads(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        adjust_reputation(
            actor=tenant.actor("admin"), agent=MASON, points=-80, source="hand:1", reason="left a secret in a log"
        )

    def happen(number: int) -> None:
        kind = ReputationKind.VIOLATION if number % 2 else ReputationKind.RUN_SUCCEEDED
        with tenant_scope(tenant.schema):
            apply_reputation(actor=tenant.system(), agent=MASON, kind=kind, source=f"event:{number // 2}")
        connection.close()

    threads = [threading.Thread(target=happen, args=(number,)) for number in [*range(8), *range(8)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tenant_scope(tenant.schema):
        assert rows("SELECT count(*) FROM governance_reputationevent") == [(9,)]
        assert standing_of(MASON).score == replayed_score(MASON)


def test_people_adjust_with_a_reason_and_agents_do_not(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        with pytest.raises(Invalid):
            adjust_reputation(actor=tenant.actor("admin"), agent=MASON, points=5, source="h", reason="nice")
        for actor in (tenant.actor("developer"), tenant.agent("architect", "anna")):
            with pytest.raises(Denied):
                adjust_reputation(actor=actor, agent=MASON, points=5, source="h", reason="a very good reason")
        with pytest.raises(Denied):
            apply_reputation(
                actor=tenant.agent("developer", "mason"), agent=MASON, kind=ReputationKind.RUN_SUCCEEDED, source="x"
            )
        adjust_reputation(
            actor=tenant.actor("admin"), agent=MASON, points=5, source="h", reason="helped with the outage"
        )
        assert reputation_history(MASON)[0]["reason"] == "helped with the outage"


def test_history_cannot_be_rewritten(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        apply_reputation(actor=tenant.system(), agent=MASON, kind=ReputationKind.RUN_FAILED, source="event:7")
        for statement in (
            "UPDATE governance_reputationevent SET points = 99",
            "DELETE FROM governance_reputationevent",
        ):
            with pytest.raises(DatabaseError, match="permission denied"), connection.cursor() as cursor:
                cursor.execute(statement)


def test_reputation_decides_what_is_asked(tenant: TestTenant) -> None:
    admin = tenant.actor("admin")
    with tenant_scope(tenant.schema):
        assert may(ActionClass.COMMIT).verdict == Verdict.ALLOW
        assert may(ActionClass.MERGE).verdict == Verdict.ASK
        adjust_reputation(actor=admin, agent=MASON, points=-15, source="1", reason="reverted twice this week")
        assert may(ActionClass.COMMIT).verdict == Verdict.ASK
        assert may(ActionClass.READ).verdict == Verdict.ALLOW
        adjust_reputation(actor=admin, agent=MASON, points=-40, source="2", reason="reverted again this week")
        assert may(ActionClass.READ).verdict == Verdict.ASK


@pytest.mark.parametrize(("kind", "target"), [("tenant", ""), ("strategy", "7"), ("agent", MASON), ("run", "318")])
def test_a_kill_switch_refuses_everything_until_it_is_lifted(tenant: TestTenant, kind: str, target: str) -> None:
    admin = tenant.actor("admin")
    with tenant_scope(tenant.schema):
        place_hold(actor=admin, kind=kind, target=target, reason="loops over the same file")
        refused = may(ActionClass.READ, strategy="7", run="318")
        assert refused.verdict == Verdict.REFUSE
        assert "loops over the same file" in refused.reason
        assert (is_held(strategy="8", agent="agent:other", run="319") is None) == (kind != "tenant")
        with pytest.raises(Conflict):
            place_hold(actor=admin, kind=kind, target=target, reason="again")
        lift_hold(actor=admin, kind=kind, target=target)
        with pytest.raises(Conflict):
            lift_hold(actor=admin, kind=kind, target=target)
        assert may(ActionClass.READ, strategy="7", run="318").verdict == Verdict.ALLOW
    assert [kind for kind in kinds_recorded(tenant) if "hold" in kind] == [
        "governance.hold.placed",
        "governance.hold.lifted",
    ]


def test_who_may_hold_and_what(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        for actor in (tenant.actor("viewer"), tenant.agent("devops", "olga")):
            with pytest.raises(Denied):
                place_hold(actor=actor, kind="tenant", target="", reason="I would like to")
        for kind, target, reason in (
            ("tenant", "x", "why"),
            ("run", "", "why"),
            ("planet", "x", "why"),
            ("run", "1", " "),
        ):
            with pytest.raises(Invalid):
                place_hold(actor=tenant.actor("admin"), kind=kind, target=target, reason=reason)


def test_without_a_policy_everything_is_denied(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE governance_policy SET active = false")
        for act in (lambda: may(ActionClass.READ), active_policy):
            with pytest.raises(Denied, match="No policy"):
                act()


def test_a_policy_is_replaced_as_a_whole_by_an_approval(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        assert active_policy().version == 1
        assert put_policy(tenant, DEFAULT.replace("highest: 3", "highest: 1")) == 2
        assert may(ActionClass.COMMIT).verdict == Verdict.ASK
        assert rows("SELECT count(*) FROM governance_policy WHERE active") == [(1,)]
        seed_governance(tenant.schema)
        assert active_policy().version == 2
