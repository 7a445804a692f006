"""Plans of installations: what they find, what they never show, and files that fight back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpu_workers.plans.compose import services
from gpu_workers.plans.documents import YamlError, documents
from gpu_workers.plans.manifests import objects
from gpu_workers.plans.parts import changes, dangers
from gpu_workers.repos import Workspace
from gpu_workers.sandbox import Sandbox
from gpu_workers.tests.plan_ground import HIDDEN, STAND_IN, Ground, ground_for_plans, plan
from gpu_workers.tools import TaskBrief, ToolContext, ToolRefused, offered_tools, plans

pytestmark = pytest.mark.integration
COMPOSE = """
services:
  web:
    image: shop/web:1.4
    ports: ["127.0.0.1:8000:8000"]
    environment: {DB_PASSWORD: "${DB_PASSWORD}"}
  mail: {image: "shop/mail:2"}
"""
WORSE = f"""
x-usual: &usual {{restart: always}}
services:
  web:
    <<: *usual
    image: shop/web
    privileged: true
    ports: ["8000:8000"]
    volumes: ["/var/run/docker.sock:/var/run/docker.sock", "data:/data"]
    environment: {{DB_PASSWORD: "{HIDDEN}"}}
volumes: {{data: {{}}}}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  template:
    spec:
      containers:
        - {name: web, image: "shop/web:1.4"}
"""
SECRET = f"""
apiVersion: v1
kind: Secret
metadata: {{name: keys}}
stringData: {{key: "{HIDDEN}"}}
"""
TEN = ", ".join(["{0}"] * 10)
BOMB = f"a: &a [{TEN.format('x')}]\n" + "".join(
    f"{name}: &{name} [{TEN.format(f'*{before}')}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture
def ground() -> Iterator[Ground]:
    with ground_for_plans() as made:
        yield made


def test_compose_files_are_planned_against_the_base(ground: Ground) -> None:
    ctx = ground.start({"compose.yaml": COMPOSE, "README.md": "x"})
    assert {"compose_plan", "kubernetes_plan"} <= {spec.name for spec in offered_tools(ctx)}
    assert "helm_plan" not in {spec.name for spec in offered_tools(ctx)}
    assert "Nothing changes." in plan(ctx, "compose_plan").text
    ground.write({"compose.yaml": WORSE})
    found = plan(ctx, "compose_plan")
    for said in (
        "- mail",
        "~ web: image shop/web:1.4 -> shop/web",
        "~ web: privileged none -> yes",
        "~ web: environment DB_PASSWORD changes",
        "[high] web: is privileged: it owns the host",
        "[high] web: reaches /var/run/docker.sock of the host",
        "[high] web: DB_PASSWORD stands in the file in the clear",
        "[medium] web: 8000:8000 is open on every address of the host",
        "[medium] mail: would be stopped and removed",
        "[low] web: the image shop/web has no fixed tag",
    ):
        assert said in found.text, (said, found.text)
    assert HIDDEN not in found.text
    assert "was read by its form alone" in plan(ctx, "compose_plan", path="compose.yaml").text
    ground.programs["docker"] = ground.folder / "docker"
    assert "docker compose accepts the file" in plan(ctx, "compose_plan", path="compose.yaml").text
    (ground.folder / "docker").write_text("#!/bin/sh\necho 'unknown flag: --file'; exit 125\n")
    assert "Docker has no compose here" in plan(ctx, "compose_plan", path="compose.yaml").text
    (ground.folder / "docker").write_text(STAND_IN)
    ground.write({"compose.yaml": WORSE.replace("x-usual", "x-nonsense")})
    assert "additional properties" in plan(ctx, "compose_plan", path="compose.yaml").text
    for wrong, said in (
        ("services: [1]", "no Compose file"),
        ("services: {a: {}}", "neither an image"),
        ("a: b", "knows no a"),
    ):
        ground.write({"compose.yaml": wrong})
        assert said in plan(ctx, "compose_plan").text
    for path in ("../compose.yaml", "/etc/passwd", ".git/config"):
        with pytest.raises(ToolRefused):
            plan(ctx, "compose_plan", path=path)
    with pytest.raises(ToolRefused):
        plan(replace(ctx, role="developer"), "compose_plan")


def test_manifests_overlays_and_charts_are_planned_and_a_missing_program_is_named(ground: Ground) -> None:
    ctx = ground.start(
        {
            "deploy/deployment.yaml": DEPLOYMENT,
            "deploy/kustomization.yaml": "resources: [deployment.yaml]",
            "chart/Chart.yaml": "name: shop",
            "chart/templates/web.yaml": DEPLOYMENT,
            "chart/values.yaml": "",
        }
    )
    ground.write(
        {"deploy/deployment.yaml": DEPLOYMENT.replace("replicas: 3", "replicas: 1"), "deploy/keys.yaml": SECRET}
    )
    bare = plan(ctx, "kubernetes_plan", folder="deploy")
    assert "kubectl is not installed here" in bare.text
    assert "~ Deployment/web: replicas 3 -> 1" in bare.text
    assert "a secret's values stand in the repository" in bare.text
    assert HIDDEN not in bare.text
    assert "helm is not installed here" in plan(ctx, "helm_plan", folder="chart").text
    ground.programs.update(helm=ground.folder / "helm", kubectl=ground.folder / "kubectl")
    rendered = plan(ctx, "kubernetes_plan", folder="deploy")
    assert "~ Deployment/web: replicas 3 -> 1" in rendered.text
    assert "1 objects; 1 changes" in rendered.text, "the overlay does not take the secret"
    hostile = DEPLOYMENT.replace("containers:", "hostNetwork: true\n      containers:").replace("1.4", "2.0")
    ground.write({"chart/templates/web.yaml": hostile})
    chart = plan(ctx, "helm_plan", folder="chart")
    assert "~ Deployment/web: image of web shop/web:1.4 -> shop/web:2.0" in chart.text
    assert "[high] Deployment/web: shares the host's network" in chart.text
    assert not plan(ctx, "helm_plan", folder="deploy").ok
    ground.write({"chart/templates/web.yaml": "{{ broken"})
    assert "There is no plan" in plan(ctx, "helm_plan", folder="chart").text
    for folder in ("../chart", "/usr", "chart/../../x"):
        for tool in ("helm_plan", "kubernetes_plan"):
            with pytest.raises(ToolRefused):
                plan(ctx, tool, folder=folder)
    (ground.tree / "out").symlink_to("/usr")
    assert not plan(ctx, "kubernetes_plan", folder="out").ok
    assert not list(ctx.workspace.root.glob("base-*")), "nothing stays behind"


def test_a_program_that_meets_a_limit_says_which(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = ground.start({"chart/Chart.yaml": "name: shop", "compose.yaml": COMPOSE, "k8s/kustomization.yaml": "x: y"})
    ground.programs.update({name: ground.folder / name for name in ("helm", "kubectl", "docker")})
    monkeypatch.setattr(plans, "LIMITS", replace(plans.LIMITS, wall_s=0.5, output=64 * 1024))
    asleep = "ended by the wall limit: 0.5 seconds"
    for program, said in (
        ("sleep 99", asleep),
        ("yes", "ended by the output limit: 1024 KiB of output"),
        ("head -c 70000 /dev/zero", "it said more than the 64 KiB that are kept"),
    ):
        for name in ("helm", "kubectl"):
            (ground.folder / name).write_text(f"#!/bin/sh\n{program}\n")
        assert plan(ctx, "helm_plan", folder="chart").text == f"There is no plan: helm gave none: {said}."
        assert plan(ctx, "kubernetes_plan", folder="k8s").text == f"There is no plan: kubectl gave none: {said}."
    (ground.folder / "docker").write_text("#!/bin/sh\nsleep 99\n")
    assert f"docker compose did not judge the file: {asleep}." in plan(ctx, "compose_plan", path="compose.yaml").text


def test_what_manifests_may_do_is_told() -> None:
    pod = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: night, namespace: shop}
spec: {jobTemplate: {spec: {template: {spec: {
  hostPID: true, volumes: [{hostPath: {path: /}}, {hostPath: {path: /srv/data}}],
  containers: [{name: a, image: "a@sha256:1", securityContext: {privileged: true, runAsUser: 0, capabilities: {add: [SYS_ADMIN]}},
    env: [{name: API_TOKEN, value: abcdef}, {name: OTHER, valueFrom: {secretKeyRef: {name: x}}}]}]}}}}}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: LoadBalancer, ports: [{port: 80}]}}
  - {apiVersion: rbac/v1, kind: ClusterRole, metadata: {name: all}, rules: [{verbs: ["*"], resources: ["*"]}]}
  - {apiVersion: rbac/v1, kind: ClusterRoleBinding, metadata: {name: b}, roleRef: {name: cluster-admin}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {db_password: abcdef}}
"""
    said = "\n".join(map(str, dangers(objects(pod).values())))
    for danger in (
        "shares the host's pid", "reaches / of the host", "reaches /srv/data of the host", "owns the node", "runs as root",
        "may SYS_ADMIN", "API_TOKEN stands in the file", "(LoadBalancer)", "gives every right", "the cluster's admin",
        "db_password stands in the file",
    ):  # fmt: skip
        assert danger in said, (danger, said)
    assert "OTHER" not in said
    assert "abcdef" not in said + "\n".join(changes({}, objects(pod)))
    for wrong in ("a: b", "[1]", "apiVersion: v1\nkind: Pod\nmetadata: {}", DEPLOYMENT + "---" + DEPLOYMENT):
        with pytest.raises(YamlError):
            objects(wrong)
    loose = services(
        "services: {a: {image: x, pid: host, cap_add: [CAP_ALL], user: root, security_opt: [seccomp:unconfined]}}"
    )
    assert len(dangers(loose.values())) == 5


@pytest.mark.parametrize(
    ("given", "danger"),
    [
        (
            "volumes: ['../../etc/ssh:/x']",
            "[high] a: reaches ../../etc/ssh of the host, outside of the folder of the file",
        ),
        ("volumes: [{type: bind, source: ../root, target: /x}]", "[high] a: reaches ../root of the host, outside of"),
        ("volumes: ['..:/x']", "[medium] a: reaches .. of the host, outside of the folder of the file"),
        ("volumes: ['~/.ssh:/x']", "[medium] a: reaches ~/.ssh of the host, outside of the folder of the file"),
        ("volumes: ['/srv/../etc:/x']", "[high] a: reaches /srv/../etc of the host"),
        ("devices: ['/dev/sda:/dev/x:rwm']", "[high] a: may use the device /dev/sda of the host"),
        ("devices: [{source: /dev/kvm, target: /dev/kvm}]", "[high] a: may use the device /dev/kvm of the host"),
    ],
)
def test_what_a_service_reaches_of_its_host_is_told(given: str, danger: str) -> None:
    found = services(f"services: {{a: {{image: 'x:1', {given}}}}}")
    assert [str(risk)[: len(danger)] for risk in dangers(found.values())] == [danger]
    assert dangers(services("services: {a: {image: 'x:1', volumes: ['./a:/x', 'data:/y', '/z']}}").values()) == []


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "a: &a {x: *a}",
        "a: &a [*a]",
        "[" * 5000,
        "a: !!python/object/apply:os.system ['true']",
        "x: " + "y" * 300_000,
        "a: *nothing",
        "a: [1, 2",
        "!!timestamp 2026-99-99",
        "a: 0x" + "f" * 5000,
    ],
    ids=["bomb", "circle", "ring", "deep", "object", "large", "unknown", "open", "date", "number"],
)  # fmt: skip
def test_yaml_that_fights_back_is_refused(text: str) -> None:
    with pytest.raises(YamlError):
        documents(text)


def test_a_desk_without_files_is_offered_no_plan(tmp_path: Path) -> None:
    for role in ("devops", "data"):
        ctx = ToolContext(Workspace(tmp_path / "none"), Sandbox(), role, TaskBrief("Look"), "")
        assert not [spec.name for spec in offered_tools(ctx) if spec.name.endswith("_plan")]
