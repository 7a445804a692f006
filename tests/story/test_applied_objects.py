"""Objects are applied to a cluster through a run: asked each time, once, exactly as planned, and to the end after a kill -9.

What became of them is in the trail, also where the run ends in the middle of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from governance.actions.reputation import adjust_reputation
from governance.selectors import approval, latest_approval
from governance.tests.asking import answer
from governance.views import ApprovalView
from gpu_workers.actions.runs import cancel_run
from gpu_workers.clusters.connecting import Wish, connect
from gpu_workers.dispatch import dispatch
from gpu_workers.models import Agent, Run, RunStep
from gpu_workers.runs.engine import execute
from gpu_workers.runs.settling import settle_left
from gpu_workers.tests.plan_ground import HIDDEN
from gpu_workers.tests.test_cluster_plans import FILES
from guildhall.evidence.auditing import verify_own
from guildhall.evidence.models import ConsumerCursor
from guildhall.evidence.selectors import recent
from guildhall.evidence.tests.poking import seal
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.kubernetes import SPACE, TOKEN, Kubernetes
from tests.fakes.openai_server import Rule
from tests.story.test_handing_out import planned
from tests.support.clients import signed_in
from tests.support.evidence import secret_reads
from tests.support.mortal import child_of
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model
from workflows.actions.strategies import create_strategy

pytestmark = pytest.mark.integration
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("kubernetes_plan", {"folder": "deploy"}),
    ("kubernetes_apply", {"plan": "executor.1.1"}),
    ("kubernetes_apply", {"plan": "executor.1.1"}),
    ("finish", {"summary": "The shop runs as it was planned."}),
]
SCRIPT: list[Rule] = [
    {"when": {"turns": turn}, "reply": {"tool_calls": [{"name": name, "arguments": arguments}]}}
    for turn, (name, arguments) in enumerate(CALLS)
]


@pytest.fixture
def kube(tmp_path: Path, settings: Any) -> Iterator[Kubernetes]:
    settings.TOOL_NETWORKS = "127.0.0.0/8"
    with Kubernetes(tmp_path) as server:
        yield server


def at_work(tenant: TestTenant, kube: Kubernetes) -> World:
    """A task for an agent on Autopilot with all the reputation there is, of a project that names a cluster."""
    world = World.build(
        tenant,
        "SHOP",
        {"ci.py": b"print('ok')\n", **{name: text.encode() for name, text in FILES.items()}},
        "python3 ci.py",
    )
    with tenant_scope(tenant.schema):
        admin = tenant.actor("admin")
        connect(actor=admin, wish=Wish("SHOP", kube.url, SPACE, TOKEN, kube.ca))
        strategy = create_strategy(actor=world.owner, project=world.project, goal="Ship it", autonomy="L3")
        agent = Agent.objects.get(role="devops")
        Agent.objects.filter(pk=agent.pk).update(autonomy_cap="L3")
        adjust_reputation(actor=admin, agent=agent.ref, points=100, source="test", reason="It has earned this.")
        planned(world.project, 1, "in_progress", 1, role="devops", strategy=strategy)
        dispatch()
    kube.journal.clear()
    return world


def question(world: World, after: int = 0) -> ApprovalView:
    (run,) = world.runs()
    assert run.state == "waiting", world.told()
    with tenant_scope(world.tenant.schema):
        asked = latest_approval(run.ref, kind="deployment")
    assert asked is not None
    assert (asked.state, asked.number > after) == ("pending", True)
    return asked


def decide(world: World, asked: ApprovalView, decision: str = "approve") -> None:
    with tenant_scope(world.tenant.schema):
        for role in ("product_owner", "devops") if decision == "approve" else ("product_owner",):
            answer(world.tenant.actor(role), asked, decision)


def test_objects_are_applied_once_people_allowed_them_and_to_the_end_after_a_kill(
    tenant: TestTenant, kube: Kubernetes
) -> None:
    world = at_work(tenant, kube)
    schema = tenant.schema
    with scripted_model(SCRIPT):
        world.settle()
        asked = question(world)
        assert (asked.risk, asked.binding["place"]) == ("high", f"shop at {kube.url.removeprefix('https://')}")
        assert kube.changed() == [], "asked, whatever the autonomy"
        page = signed_in(tenant, tenant.member("devops")).get(f"/approvals/{asked.number}/").content.decode()
        for said in ("replicas: 3", "Secret/keys: would be created", "ConfigMap/settings"):
            assert said in page
        assert HIDDEN not in page
        with tenant_scope(schema):
            answer(tenant.actor("product_owner"), asked)
        world.settle()
        assert kube.changed() == [], "one of the two whom it needs"
        with tenant_scope(schema):
            answer(tenant.actor("devops"), asked)
            number = Run.objects.get().number
        relay()
        consume(schema)

        child = child_of(lambda _: carry_on(schema, number))
        kube.meanwhile = lambda path: child.kill() if path.endswith("/keys") else None
        child.go()
        child.rest()
        done = ["PATCH /api/v1/namespaces/shop/configmaps/settings", "PATCH /api/v1/namespaces/shop/secrets/keys"]
        assert kube.changed() == done, "killed in the middle"
        kube.meanwhile = lambda path: None
        with tenant_scope(schema):
            Run.objects.update(lease_until=Now())
        carry_on(schema, number)
        world.settle()
        again = question(world, asked.number)
        assert kube.changed() == [*done, *done, "PATCH /apis/apps/v1/namespaces/shop/deployments/web"]
        with tenant_scope(schema):
            applied = RunStep.objects.get(key="executor.2.1").response
            assert applied is not None
            assert applied["text"].splitlines()[1:] == [
                "ConfigMap/settings: unchanged",
                "Secret/keys: unchanged",
                "Deployment/web: created",
            ]
            known = approval(tenant.actor("admin"), asked.number)
            assert (known.state, (known.outcome or {})["step"]) == ("executed", "executor.2.1")
            read = secret_reads()[-1]
        assert (read[0], read[2], "applying plan executor.1.1" in read[3]) == ("project:SHOP", "cluster's token", True)
        secret = kube.get("secrets", "keys")
        assert secret is not None
        assert secret["stringData"] == {"key": HIDDEN}

        decide(world, again, "reject")
        world.settle()
    (run,) = world.runs()
    assert (run.state, "The shop runs as it was planned" in run.reason) == ("escalated", True), world.told()
    assert len(kube.changed()) == 5, "the same plan in another step is another question, and a no is a no"
    with tenant_scope(schema):
        assert HIDDEN not in str(list(RunStep.objects.values_list("request", "response")))


def carry_on(schema: str, number: int) -> None:
    """A worker has the run."""
    with tenant_scope(schema):
        execute(number)


BEGUN, ENDED = "delivery.plan.apply_begun", "delivery.plan.apply_ended"


def about_to_apply(world: World) -> ApprovalView:
    """People have allowed it, and no worker has heard of that."""
    world.settle()
    asked = question(world)
    decide(world, asked)
    relay()
    consume(world.tenant.schema)
    return asked


def told(world: World) -> list[str]:
    """What is said of the plan, once everybody has heard of everything."""
    relay()
    consume(world.tenant.schema)
    with tenant_scope(world.tenant.schema):
        return [str(row["sentence"]) for row in reversed(recent(kinds=[BEGUN, ENDED]))]


def stopped(world: World) -> None:
    with tenant_scope(world.tenant.schema):
        cancel_run(actor=world.tenant.actor("admin"), run=Run.objects.get(), reason="Somebody is at it by hand.")


def known(world: World, asked: ApprovalView) -> ApprovalView:
    with tenant_scope(world.tenant.schema):
        return approval(world.tenant.actor("admin"), asked.number)


def test_what_a_killed_worker_left_of_a_cancelled_run_is_told_once_as_unknown(
    tenant: TestTenant, kube: Kubernetes, residents: tuple[TestTenant, TestTenant]
) -> None:
    world, schema = at_work(tenant, kube), tenant.schema
    with scripted_model(SCRIPT):
        asked = about_to_apply(world)
        child = child_of(lambda _: carry_on(schema, 1))
        before = list[str]()

        def kill(path: str) -> None:
            with tenant_scope(schema):
                before.extend(str(row["sentence"]) for row in recent(kinds=[BEGUN, ENDED]))
            connection.close()
            child.kill()

        kube.meanwhile = kill
        child.go()
        child.rest()
    place, digest = asked.binding["place"], str(asked.binding["plan_hash"])
    what = f"plan executor.1.1 ({digest[:12]}) of run 1"
    begun = f"began to apply {what} to {place}"
    assert (before, len(kube.changed())) == ([begun], 1), "it is in the trail before the cluster hears of it"
    stopped(world)
    assert (told(world), known(world, asked).state) == ([begun], "approved"), "its worker may be about to say more"
    with tenant_scope(schema):
        assert settle_left(actor=tenant.system()) == 0
        Run.objects.update(ended_at=F("ended_at") - settings.RUN_LEASE)
        assert [settle_left(actor=tenant.system()) for _ in range(2)] == [1, 0]
        ConsumerCursor.objects.filter(consumer="agents.endings").update(position=0)
    left = f"does not know how much of {what} was applied to {place}: 0 of its 3 parts are known to be there"
    assert told(world) == [begun, left]
    assert known(world, asked).state == "void", "nothing is tried twice under one answer"
    browser = signed_in(tenant, tenant.member("devops"))
    assert "not known whether it was applied" in browser.get("/runs/1/").content.decode()
    (step,) = [one for one in browser.get("/api/v1/runs/1/").json()["steps"] if one["key"] == "executor.2.1"]
    assert (step["ok"], step["response"]["outcome"], step["request"]["applies"]["plan_hash"]) == (
        False,
        "unknown",
        digest,
    )
    seal()
    with tenant_scope(schema):
        assert verify_own(tenant.actor("admin")).broken is None
    other = residents[1]
    with tenant_scope(other.schema):
        assert (recent(kinds=[BEGUN, ENDED]), settle_left(actor=other.system())) == ([], 0)
    assert signed_in(other, other.member("admin")).get("/api/v1/runs/1/").status_code == 404


def test_a_worker_that_is_stopped_in_the_middle_says_itself_what_it_knows(tenant: TestTenant, kube: Kubernetes) -> None:
    world, schema, over = at_work(tenant, kube), tenant.schema, threading.Event()

    def stop(path: str) -> None:
        if path.endswith("/keys"):
            stopped(world)
            connection.close()
            over.wait(60)

    kube.meanwhile = stop
    with scripted_model(SCRIPT):
        asked = about_to_apply(world)
        carry_on(schema, 1)
        over.set()
    begun, ended = told(world)
    assert (begun.startswith("began"), "1 of its 3 parts are known to be there" in ended) == (True, True), ended
    assert known(world, asked).state == "void"
    with tenant_scope(schema):
        Run.objects.update(ended_at=F("ended_at") - settings.RUN_LEASE)
        assert settle_left(actor=tenant.system()) == 0
        step = RunStep.objects.get(key="executor.2.1")
        assert "ConfigMap/settings: created" in (step.response or {})["text"]
    assert (told(world), len(kube.changed())) == ([begun, ended], 2)
