"""A plan that was applied as its run was taken from its worker is told of by that worker, and not applied again.

Who goes on with one and does nothing does not say that nothing was done.
"""

from __future__ import annotations

from typing import Any

import pytest

from governance.actions.holds import lift_hold, place_hold
from gpu_workers.actions.runs import cancel_run
from gpu_workers.applying.orders import nothing
from gpu_workers.applying.outcomes import Outcome
from gpu_workers.runs.applying import BEGUN, looked_at
from gpu_workers.runs.engine import execute
from gpu_workers.tests.shop_database import Server
from gpu_workers.tests.test_applying import APPLY, END, PLAN, SHOP, Yard, script
from gpu_workers.tools import ToolResult
from guildhall.kernel.tenancy import tenant_scope
from tests.support.evidence import secret_reads
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("held", [True, False], ids=["held", "cancelled"])
def test_what_was_applied_as_the_run_was_taken_away_is_told_by_who_did_it(
    tenant: TestTenant, server: Server, settings: Any, *, held: bool
) -> None:
    settings.TOOL_NETWORKS = "127.0.0.0/8"
    yard = Yard(World.build(tenant, "YARD", SHOP, "python3 ci.py"), server)
    yard.begin()
    admin, schema = tenant.actor("admin"), tenant.schema
    hold: dict[str, Any] = {"actor": admin, "kind": "run", "target": "1"}

    def take_away(boundary: str, key: str) -> None:
        if (boundary, key) == ("answered", "executor.2.1"):
            place_hold(**hold, reason="Wait.") if held else cancel_run(actor=admin, run=yard.run, reason="Enough seen.")

    with scripted_model(script(PLAN, APPLY, END)):
        yard.work()
        yard.allow()
        relay()
        consume(schema)
        with tenant_scope(schema):
            execute(1, take_away)
            assert yard.told() == ["began to apply", "applied"]
            if held:
                lift_hold(**hold)
        yard.world.settle()
    assert (yard.told(), yard.asked().state, yard.has()) == (["began to apply", "applied"], "executed", True)
    with tenant_scope(schema):
        assert len(secret_reads()) == 1, "once"


def test_who_went_on_and_was_refused_does_not_say_that_nothing_was_applied() -> None:
    refused = looked_at(nothing("The cluster has changed."))
    assert (refused.text, refused.data) == (
        f"{BEGUN} The cluster has changed.",
        {"applied": 0, "outcome": Outcome.UNKNOWN},
    )
    done = ToolResult(True, "Applied.", {"applied": 2, "outcome": Outcome.APPLIED})
    assert looked_at(done) is done
