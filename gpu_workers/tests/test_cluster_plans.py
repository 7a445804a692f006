"""Plans of a cluster's objects: what is kept of them, what is never applied, and what applying does to a cluster and says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from gpu_workers.applying.plans import Garbled, Kept, kept_in
from gpu_workers.clusters.applying import look_for
from gpu_workers.clusters.connecting import Wish, connect, manager_of
from gpu_workers.tests.cluster_ground import Shop, shop_of, why_not
from gpu_workers.tests.plan_ground import HIDDEN, plan
from gpu_workers.tests.test_plans import DEPLOYMENT, SECRET
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.kubernetes import SPACE, TOKEN
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green, opens: 08:30}
"""
OLD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}\ndata: {a: b}\n"
FILES = {"deploy/web.yaml": f"{DEPLOYMENT}---{SECRET}", "deploy/settings.yaml": SETTINGS}

BEYOND = [
    (DEPLOYMENT.replace("name: web}", "name: web, namespace: till}", 1), "is of the namespace 'till', not of shop"),
    ("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n", "Namespace/shop: is of the whole cluster"),
    ("apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: shop}\n", "is of the kind 'ControllerRevision.apps'"),
    ("apiVersion: v1\nkind: Wonder\nmetadata: {name: shop}\n", "the cluster knows no Wonder in v1"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a/../../secrets/b}\n", "has no name by which it could be applied"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n", "has no name by which it could be applied"),
    ("apiVersion: v1/../x\nkind: ConfigMap\nmetadata: {name: a}\n", "has no name by which it could be applied"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: .inf}\n", "holds values that JSON does not have"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {helm.sh/hook: pre-install}}\n", "is a hook of Helm"),
    (DEPLOYMENT.replace("replicas", "hostNetwork: true\n  replicas"), "shares the host's network, which reaches beyond"),
    (DEPLOYMENT.replace("{name: web, image", "{securityContext: {privileged: true}, name: web, image"), "is privileged"),
    ("apiVersion: x/v1\nkind: Rollout\nmetadata: {name: a}\nspec: {on: [{hostPath: {path: /}}]}\n", "path of the host"),
    (DEPLOYMENT + "---" + DEPLOYMENT.replace("replicas: 3", "replicas: 4"), "stands there twice"),
    ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {serviceAccountName: deployer}\n", "accepted: default, builder"),
]  # fmt: skip
"""What is never applied, and why."""


@pytest.fixture
def shop(tenant: TestTenant, tmp_path: Path, settings: Any) -> Iterator[Shop]:
    settings.TOOL_NETWORKS = "127.0.0.0/8"
    with shop_of(tenant, tmp_path) as made:
        yield made


def test_exactly_what_was_planned_is_applied_in_order_and_again_without_change(shop: Shop) -> None:
    ctx = shop.start(FILES)
    found = plan(ctx, "kubernetes_plan", folder="deploy")
    assert "Deployment/web: would be created" in found.text
    assert shop.kube.changed() == [], "a plan is a dry run"
    assert found.plan is not None
    assert [part.name for part in found.plan.parts] == ["ConfigMap/settings", "Secret/keys", "Deployment/web"]
    assert HIDDEN not in f"{found.text}{found.plan}", "neither the secret's value nor the token in the clear"
    assert "opens: 08:30" in found.plan.parts[0].text.replace("'", "")
    shop.ground.write({"deploy/web.yaml": DEPLOYMENT.replace("replicas: 3", "replicas: 300")})
    held, caller = list[bool](), connections["default"]
    shop.kube.meanwhile = lambda path: held.append(caller.connection is not None)
    done = shop.apply(found)
    assert done.ok, done.text
    assert held == [False] * 3, "no connection of ours waits for the cluster"
    for said in ("ConfigMap/settings: created", "Secret/keys: created", "Deployment/web: created"):
        assert said in done.text
    made = shop.kube.get("deployments", "web")
    secret, settings = shop.kube.get("secrets", "keys"), shop.kube.get("configmaps", "settings")
    assert made is not None
    assert secret is not None
    assert settings is not None
    assert (made["spec"]["replicas"], secret["stringData"]["key"]) == (3, HIDDEN)
    assert settings["data"] == {"colour": "green", "opens": "08:30"}
    assert shop.apply(found, again=True).text.count("unchanged") == 3, "as after a worker's end"
    assert "changed since people were asked" in shop.apply(found).text, (
        "it was allowed once, for a cluster without them"
    )


def test_what_the_cluster_would_change_is_told_without_any_value_of_a_secret(shop: Shop) -> None:
    before = shop.ground.start({"README.md": "x", **FILES, "deploy/old.yaml": OLD})
    ctx = replace(before, cluster=look_for("SHOP", shop.opening, None))
    assert shop.apply(plan(ctx, "kubernetes_plan", folder="deploy")).ok
    shop.ground.write(
        {"deploy/web.yaml": (DEPLOYMENT + "---" + SECRET).replace("1.4", "1.5").replace(HIDDEN, "other-word")}
    )
    (shop.ground.tree / "deploy/old.yaml").unlink()
    found = plan(ctx, "kubernetes_plan", folder="deploy", since=ctx.base_sha)
    for said in (
        "Deployment/web: would be configured; image of web shop/web:1.4 -> shop/web:1.5; in spec.template.spec.containers",
        "Secret/keys: would be configured; value key changes; in stringData.key",
        "ConfigMap/settings: is unchanged",
        "ConfigMap/old: would be deleted",
    ):
        assert said in found.text, found.text
    assert HIDDEN not in found.text
    assert "other-word" not in f"{found.text}{found.plan}"
    done = shop.apply(found)
    assert done.ok, done.text
    assert done.text.splitlines()[1:] == [
        "ConfigMap/settings: unchanged",
        "Secret/keys: configured",
        "Deployment/web: configured",
        "ConfigMap/old: deleted",
    ]
    assert shop.kube.get("configmaps", "old") is None


def test_nothing_that_people_read_is_other_than_it_looks(shop: Shop) -> None:
    ctx = shop.start({"deploy/web.yaml": DEPLOYMENT})
    for hidden, said in (
        ("shop/\\u202ebew", "U+202E (RIGHT-TO-LEFT OVERRIDE) in spec.template.spec.containers[0].image"),
        ("shop/web\\0", "U+0000 (control) in spec"),
        ("shop/web\\u200b", "U+200B (ZERO WIDTH SPACE) in spec"),
        ("shop/web\\r", "U+000D (control) in spec"),
        ("shop/web\\u2028", "U+2028 (LINE SEPARATOR) in spec"),
        ("shop/web\\u00a0", "U+00A0 (NO-BREAK SPACE) in spec"),
    ):
        shop.ground.write({"deploy/web.yaml": DEPLOYMENT.replace("shop/web:1.4", hidden)})
        assert f"Deployment/web holds a character that is not seen: {said}" in why_not(
            plan(ctx, "kubernetes_plan", folder="deploy")
        )
    shop.ground.write({"deploy/web.yaml": DEPLOYMENT})
    odd = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": "2\n\u202e9\0"},
    }
    shop.kube.put("deployments", "web", odd, manager_of("SHOP"))
    found = plan(ctx, "kubernetes_plan", folder="deploy")
    assert found.plan is not None
    (part,) = found.plan.parts
    assert "replicas 2 9 -> 3" in part.facts["in_the_cluster"]
    assert part.facts["in_the_cluster"].isprintable()
    assert "\0" not in found.text, "a null character could not be kept"


def test_what_others_made_is_neither_taken_over_nor_deleted(shop: Shop) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "old", "namespace": SPACE},
        "data": {"a": "c"},
    }
    shop.kube.put("configmaps", "old", theirs)
    ctx = shop.start({"deploy/old.yaml": OLD})
    conflict = why_not(plan(ctx, "kubernetes_plan", folder="deploy"))
    assert 'ConfigMap/old: refused: Apply failed with 1 conflict(s) (.data.a conflict with "kubectl")' in conflict
    (shop.ground.tree / "deploy/old.yaml").unlink()
    shop.ground.write({"deploy/web.yaml": DEPLOYMENT})
    found = plan(ctx, "kubernetes_plan", folder="deploy")
    assert "ConfigMap/old: stays: it was not applied by Guildhall for this project" in found.text
    assert shop.apply(found).ok
    assert shop.kube.get("configmaps", "old"), "nobody deletes what is not ours"
    assert not [line for line in shop.kube.changed() if line.startswith("DELETE")]


def test_what_another_project_applied_to_the_namespace_stays_its_own(
    shop: Shop, make_tenant: Callable[..., TestTenant]
) -> None:
    ours, theirs = manager_of("SHOP"), manager_of("TILL")
    with tenant_scope(make_tenant().schema):
        assert len({ours, theirs, manager_of("SHOP")}) == 3
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "old", "namespace": SPACE},
        "data": {"a": "c"},
    }
    shop.kube.put("configmaps", "old", body, theirs)
    ctx = shop.start({"deploy/old.yaml": OLD, "deploy/web.yaml": DEPLOYMENT})
    assert f'conflict with "{theirs}"' in why_not(plan(ctx, "kubernetes_plan", folder="deploy"))
    (shop.ground.tree / "deploy/old.yaml").unlink()
    for also, said in (
        ((), "stays: it was not applied by Guildhall for this project"),
        ((ours,), "stays: it was applied for another project as well"),
    ):
        for manager in also:
            shop.kube.put("configmaps", "old", body, manager)
        found = plan(ctx, "kubernetes_plan", folder="deploy")
        assert f"ConfigMap/old: {said}" in found.text
        assert shop.apply(found).ok
    assert shop.kube.get("configmaps", "old"), "nobody deletes what another project has"


def test_a_change_of_the_cluster_that_no_sentence_tells_is_a_change(shop: Shop) -> None:
    ctx, ours = shop.start(FILES), manager_of("SHOP")

    def live(value: str) -> None:
        meta = {"name": "keys", "namespace": SPACE}
        shop.kube.put(
            "secrets",
            "keys",
            {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"key": value}},
            ours,
        )

    live("one-word")
    found = plan(ctx, "kubernetes_plan", folder="deploy")
    assert "one-word" not in f"{found.text}{found.plan}"
    live("another-word")
    for again in (False, True):
        refused = shop.apply(found, again=again)
        assert (refused.ok, "has changed since people were asked: Secret/keys" in refused.text) == (False, True)
    assert shop.kube.changed() == []
    live("one-word")
    assert shop.apply(found).ok


def test_where_one_is_refused_none_is_applied_and_an_answer_that_is_lost_is_made_good(shop: Shop) -> None:
    ctx = shop.start(FILES)
    found = plan(ctx, "kubernetes_plan", folder="deploy")
    shop.kube.refused = {"web"}
    assert "Deployment/web: refused" in why_not(plan(ctx, "kubernetes_plan", folder="deploy"))
    for again in (False, True):
        refused = shop.apply(found, again=again)
        assert (refused.data["outcome"], "refuses: Deployment/web: refused:" in refused.text) == ("not_applied", True)
    assert shop.kube.changed() == []
    shop.kube.refused, shop.kube.tokens[TOKEN] = set(), {"*"}
    assert "may do everything in the whole cluster" in shop.apply(found).text
    shop.kube.tokens[TOKEN] = {SPACE}
    assert "names another cluster" in shop.apply(found, place="shop at elsewhere.example").text
    assert "names another cluster or token" in shop.apply(found, login="0" * 16).text
    assert shop.kube.changed() == []
    shop.kube.mood = "garbage"
    away = shop.apply(found)
    assert (away.text.startswith("Nothing was applied."), away.data["outcome"]) == (True, "not_applied"), away.text
    shop.kube.mood, shop.kube.broken = "", "keys"
    lost = shop.apply(found)
    assert (lost.ok, lost.data) == (False, {"applied": 1, "outcome": "unknown"})
    assert "Not all was applied" in lost.text
    assert "ConfigMap/settings: created" in lost.text
    assert "Secret/keys: not known to be applied" in lost.text
    assert shop.kube.get("deployments", "web") is None
    assert shop.apply(found, again=True).ok
    assert shop.kube.get("deployments", "web")


def test_what_reaches_beyond_the_namespace_or_cannot_be_repeated_is_never_applied(shop: Shop) -> None:
    ctx = shop.start({})
    for text, said in BEYOND:
        shop.ground.write({"deploy/web.yaml": text})
        found = plan(ctx, "kubernetes_plan", folder="deploy")
        assert said in (found.plan.why_not if found.plan else found.text), text
        assert not (found.plan and found.plan.parts)
    assert shop.kube.changed() == []


def test_nothing_of_another_organisation_or_that_was_altered_since_is_applied(
    shop: Shop, make_tenant: Callable[..., TestTenant], settings: Any
) -> None:
    found = plan(shop.start(FILES), "kubernetes_plan", folder="deploy").plan
    assert found is not None
    data = Kept(found, "c" * 40).as_data()
    data["parts"][2]["text"] = data["parts"][2]["text"].replace("replicas: 3", "replicas: 300")
    with pytest.raises(Garbled):
        kept_in({"plan": data})
    other = make_tenant()
    with tenant_scope(other.schema):
        connect(actor=other.actor("admin"), wish=Wish("SHOP", shop.kube.url, SPACE, TOKEN, shop.kube.ca))
        stolen = shop.apply(found)
    assert (stolen.ok, "An object of the plan cannot be read" in stolen.text) == (False, True)
    settings.TOOL_NETWORKS = ""
    assert "is not a public host" in shop.apply(found).text, "each time it is asked, the address is judged"
    assert shop.kube.changed() == []


def test_a_chart_is_applied_as_it_renders_without_its_tests(shop: Shop) -> None:
    test = OLD.replace("{name: old}", "{name: check, annotations: {helm.sh/hook: test}}")
    files = {"chart/Chart.yaml": "name: shop\nversion: 1.0.0\n", "chart/templates/web.yaml": f"{DEPLOYMENT}---\n{test}"}
    shop.ground.programs["helm"] = shop.ground.folder / "helm"
    ctx = shop.start(files)
    found = plan(ctx, "helm_plan", folder="chart", release="shop")
    assert found.plan is not None
    assert (found.plan.kind, [part.name for part in found.plan.parts]) == ("helm", ["Deployment/web"])
    assert shop.apply(found).ok
    assert shop.kube.changed() == ["PATCH /apis/apps/v1/namespaces/shop/deployments/web"]


def test_a_cluster_that_is_odd_or_a_run_that_is_stopped_keeps_no_plan(shop: Shop) -> None:
    ctx = shop.start(FILES)
    for mood in ("garbage", "elsewhere", "500", "silent"):
        shop.kube.mood = mood
        assert "the cluster was not asked" in why_not(plan(ctx, "kubernetes_plan", folder="deploy"))
    stopped = threading.Event()
    stopped.set()
    halted = replace(ctx, cluster=look_for("SHOP", shop.opening, stopped))
    assert "The run was stopped" in why_not(plan(halted, "kubernetes_plan", folder="deploy"))
