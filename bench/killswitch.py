"""The kill switch: from the action to the last process, call and reservation of fifty agents at work in a real worker."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import judge, of, show
from bench.tenants import new_tenant
from governance.actions.holds import lift_hold, place_hold
from guildhall.kernel.actor import Actor, ActorKind
from guildhall.kernel.tenancy import tenant_scope
from tests.support.busy import holding_on, many_at_work, processes, script, unsettled
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

AGENTS = 50
BAR_SECONDS = 2.0
GIVE_UP_SECONDS = 30.0


def run(rounds: int) -> None:
    """Each round has a worker and an organisation of its own; half of the agents are in commands, half in model calls."""
    placed, gone, settled = [], [], []
    for _ in range(rounds):
        action, ended, paid = _round()
        placed.append(action * 1000)
        gone.append(ended * 1000)
        settled.append(paid * 1000)
    figures = [
        of("the action itself", placed),
        of("no process of theirs is left", gone),
        of("every call ended, its money settled", settled),
    ]
    show(f"kill switch: {AGENTS} agents, from the action's call on", *figures)
    judge("the slowest round, seconds", max(*gone, *settled) / 1000, at_most=BAR_SECONDS)


def _round() -> tuple[float, float, float]:
    row = new_tenant()
    tenant = TestTenant(row.schema_name, row.slug, f"{row.slug}.localhost")
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py", councils=True)
    owner = Actor(ActorKind.PERSON, "1", "Owner", tenant=tenant.schema, roles=frozenset({"admin"}))
    with (
        tempfile.TemporaryDirectory() as folder,
        scripted_model(script()) as model,
        many_at_work(world, model, Path(folder), AGENTS),
    ):
        began = time.perf_counter()
        with tenant_scope(tenant.schema):
            place_hold(actor=owner, kind="tenant", target="", reason="A benchmark of the switch.")
        action = time.perf_counter() - began
        ended = _until(lambda: not processes(), began)
        paid = _until(lambda: not unsettled(world) and not holding_on(world), began)
        with tenant_scope(tenant.schema):
            lift_hold(actor=owner, kind="tenant", target="")
    return action, ended, paid


def _until(condition: Callable[[], bool], began: float) -> float:
    """Seconds from `began` until the condition holds."""
    while not condition():
        if time.perf_counter() - began > GIVE_UP_SECONDS:
            raise SystemExit(f"not stopped after {GIVE_UP_SECONDS} s on {os.cpu_count()} cores")
        time.sleep(0.01)
    return time.perf_counter() - began
