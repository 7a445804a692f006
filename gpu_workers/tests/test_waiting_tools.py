"""What tools of a run that wait for something outside keep, and what they may do by then.

No database connection is held meanwhile, and each call is bounded by the policy that it finds, however long the turn lasts.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from governance.selectors.policy import active_policy
from governance.selectors.violations import violations_visible_to
from gpu_workers.actions.databases import connect_database
from gpu_workers.actions.runs import NewRun, queue_run, take_run
from gpu_workers.actions.trackers import connect_tracker
from gpu_workers.applying.appliers import APPLIERS
from gpu_workers.databases import sealed_for as database_of
from gpu_workers.forges.vault import seal
from gpu_workers.loop import Permission, ToolCall
from gpu_workers.models import Agent
from gpu_workers.models.run import RunKind
from gpu_workers.planner.proposing import updating
from gpu_workers.repos import head_of
from gpu_workers.runs.approving import RunApprover
from gpu_workers.runs.brief import brief_of
from gpu_workers.runs.context import Forbidden, RunContext
from gpu_workers.runs.environment import RunEnvironment
from gpu_workers.runs.journal import Journal
from gpu_workers.runs.keeper import Keeper
from gpu_workers.runs.model import Head
from gpu_workers.tests.image_ground import lay_out_busybox
from gpu_workers.tests.plan_ground import STAND_IN
from gpu_workers.tools.contract import ToolContext
from gpu_workers.tools.registry import REGISTRY, ROLE_TOOLS
from gpu_workers.trackers import Issue
from gpu_workers.trackers.connecting import sealed_for as tracker_of
from gpu_workers.trackers.importing import IssueList
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.site import Site
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant
from tests.support.world import World
from workflows.actions import create_story
from workflows.models import Task

pytestmark = pytest.mark.integration
LOOKS = 2
FILES = {
    "a.py": "answer = 6 * 7\n",
    "manage.py": "import time\ntime.sleep(60)\n",
    "Containerfile": "FROM busybox:1\nRUN sleep 60\n",
    "compose.yaml": "services:\n  web:\n    image: shop\n",
    "chart/Chart.yaml": "name: shop\nversion: 1.0.0\n",
    "overlay/kustomization.yaml": "resources: []\n",
}
SLOW = STAND_IN.replace("#!/bin/sh", "#!/bin/sh\nsleep 60")
WAITING: dict[str, dict[str, Any]] = {
    "run_command": {"command": "sleep 60"},
    "run_tests": {},
    "definition": {"path": "a.py", "line": 1, "name": "answer"},
    "references": {"path": "a.py", "line": 1, "name": "answer"},
    "diagnostics": {"path": "a.py"},
    "rename": {"path": "a.py", "line": 1, "name": "answer", "new_name": "question"},
    "http_request": {"url": "http://127.0.0.1:PORT/"},
    "browse": {"url": "http://127.0.0.1:PORT/"},
    "query_db": {"query": "SELECT 1"},
    "container_build": {},
    "container_run": {},
    "migrate_plan": {},
    "compose_plan": {"path": "compose.yaml"},
    "helm_plan": {"folder": "chart"},
    "kubernetes_plan": {"folder": "overlay"},
    "update_issue": {"issue": "7", "comment": "It is mended, thank you."},
}
"""Tools that wait for something outside of this process, each with a call that would take a minute."""
QUICK = frozenset(
    {
        "apply_patch", "ask_human", "audit", "comment", "draft_roadmap", "get_context", "git_commit", "git_diff",
        "git_log", "git_status", "list_files", "open_change_request", "plan_sprint", "propose_import", "propose_order",
        "propose_remedy", "read_backlog", "read_errors", "read_file", "read_health", "read_issue", "read_issues",
        "read_logs", "read_metrics", "search_code", "search_knowledge", "write_file", "write_grounded",
    }
)  # fmt: skip


class Looked(threading.Event):
    """A run's stop that whoever waits looks at: notes whether a connection is held then, and ends the waiting soon."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[bool] = []

    def is_set(self) -> bool:
        self.held.append(connection.connection is not None)
        return len(self.held) > LOOKS


@contextmanager
def mute_server(looked: Looked) -> Iterator[int]:
    """Takes connections and ends them without a word; notes whether the caller holds one to the database meanwhile."""
    caller = connections["default"]
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    taken, _ = listening.accept()
                    looked.held.append(caller.connection is not None)
                    taken.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


class Bench(RunEnvironment):
    """A run's tools with what other kinds of runs have as well."""

    def __init__(self, ctx: RunContext, **more: Any) -> None:
        super().__init__(ctx)
        self._more = more

    @cached_property
    def _tools(self) -> ToolContext:
        return replace(super()._tools, **self._more)

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        """What the call says in the end."""
        try:
            return self._run("look", ToolCall("1", name, arguments)).text
        except Unavailable as away:
            return away.detail


def at_work(world: World) -> RunContext:
    owner = world.owner
    story = create_story(actor=owner, project=world.project, content={"title": "Look at the shop"})
    about = {"title": "Look", "role": "developer", "size": "S", "risk": "low"}
    Task.objects.create(story=story, number=1, reference="TILL-1.1", rank=1, claim_token=1, **about)
    agent = Agent.objects.earliest("pk")
    new = NewRun(RunKind.WORK, "task:TILL-1.1", story.ref, "Look", "task:TILL-1.1:1", world.project.repository)
    run = take_run(actor=agent.actor(), run=queue_run(actor=world.tenant.system(), agent=agent, new=new), worker="here")
    keeper = Keeper(world.tenant.schema, run.pk, run.fence, lambda: None)
    ctx = RunContext(run, agent, agent.actor(), Journal(run, agent.actor()), keeper, brief_of(run))
    ctx.run.base_sha, ctx.run.branch = head_of(ctx.repo, "main"), "guildhall/look"
    return ctx


def connected(world: World, ctx: RunContext, port: int) -> dict[str, Any]:
    """What the project names outside, all of it at a server that never answers."""
    here, admin, key = f"127.0.0.1:{port}", world.tenant.actor("admin"), world.project.key
    address = f"postgresql://reader:r-ead-the-shop@{here}/shop?sslmode=disable"
    connect_database(actor=admin, project=key, address=seal(address, database_of(key)), place=here, schemas=["public"])
    token = seal("a-token-of-the-tracker", tracker_of(key))
    tracker = connect_tracker(
        actor=admin, project=key, kind="github", api_url=f"http://{here}", place="shop/till", token=token
    )
    issues = IssueList("shop/till", (Issue("7", "Receipts", "", "https://shop.example/7", "open"),))
    return {"issues": issues, "update_issue": updating(ctx, tracker)}


def test_no_tool_keeps_a_database_connection_while_it_waits(tenant: TestTenant, ground: Path, settings: Any) -> None:
    # What applies waits only once people allowed it: `test_cluster_plans` looks at that.
    known = {*WAITING, *QUICK, *APPLIERS}
    assert set(WAITING) <= set(REGISTRY.names()) <= known, "a new tool belongs to one of these"
    settings.TOOL_NETWORKS, settings.FORGE_LOOPBACK = "127.0.0.0/8", True
    lay_out_busybox(ground / "bases")
    programs = {name: ground / name for name in ("helm", "kubectl", "docker")}
    for program in programs.values():
        program.write_text(SLOW)
        program.chmod(0o755)
    world = World.build(tenant, "TILL", {name: text.encode() for name, text in FILES.items()}, "sleep 60")
    looked = Looked()
    with mute_server(looked) as port, tenant_scope(tenant.schema):
        put_policy(tenant, active_policy().text.replace("  allow: []", "  allow: [127.0.0.1]", 1))
        ctx = at_work(world)
        more = {
            **connected(world, ctx, port),
            "programs": programs,
            "base_images": ground / "bases",
        }
        ctx.cancel = looked
        ctx.model.head = Head(window=8192, tools=True, schema=True, able=True)
        kept = {}
        for name, arguments in WAITING.items():
            looked.held.clear()
            ctx.agent.role = next(role for role, names in ROLE_TOOLS.items() if name in names)
            given = {
                key: str(value).replace("PORT", str(port)) if key == "url" else value
                for key, value in arguments.items()
            }
            said = Bench(ctx, **more).call(name, given)
            assert looked.held, f"{name} did not wait: {said}"
            kept[name] = any(looked.held)
        assert [name for name, held in kept.items() if held] == []
        ctx.cancel = threading.Event()
        ctx.agent.role = "qa"
        asking = "curl --silent --proxy $HTTP_PROXY http://10.0.0.1/secrets"
        told = Bench(ctx, **more).call("run_command", {"command": asking, "network": True})
        assert "refused http://10.0.0.1/secrets" in told
        (breach,) = violations_visible_to(tenant.actor("admin")).filter(subject=ctx.run.ref)
        assert (breach.kind, "10.0.0.1" in breach.what, asking in breach.excerpt) == ("network", True, True)


class Died(Exception):
    """The worker is gone at this moment."""


def dying(boundary: str, key: str) -> None:
    if boundary == "answered":
        raise Died(key)


def listing(tenant: TestTenant, *hosts: str) -> None:
    """Another policy is put into force: the same, with these hosts."""
    policy = active_policy()
    was = f"  allow: [{', '.join(policy.document.network.allow)}]"
    put_policy(tenant, policy.text.replace(was, f"  allow: [{', '.join(hosts)}]", 1))


def test_each_call_is_bounded_by_the_policy_that_it_finds_and_acts_outside_once(
    tenant: TestTenant, settings: Any
) -> None:
    """A supervised agent's turn began with a host on the list: it is told no other, and no more of that one, later on."""
    settings.TOOL_NETWORKS = "127.0.0.0/8"
    world = World.build(tenant, "TILL", {"a.py": b"answer = 6 * 7\n"}, "true")
    with Site() as site, tenant_scope(tenant.schema):
        listing(tenant, "127.0.0.1")
        ctx = at_work(world)
        Agent.objects.filter(pk=ctx.agent.pk).update(autonomy_cap="L2")
        ctx.agent.role, ctx.model.head = "qa", Head(window=32768, tools=True, schema=True, able=True)
        here = f"http://127.0.0.1:{site.port}"
        get = {
            "command": f"echo more >> a.py; curl --silent --noproxy '' --proxy $HTTP_PROXY {here}/command",
            "network": True,
        }
        post = {"url": f"{here}/post", "method": "POST", "body": "x"}
        turn, approver = RunEnvironment(ctx), RunApprover(ctx)

        def done(key: str, name: str, arguments: dict[str, Any]) -> str:
            return turn.execute(key, ToolCall("1", name, arguments)).text

        def networked() -> bool:
            (spec,) = (spec for spec in turn.offered() if spec.name == "run_command")
            return "network" in spec.parameters["properties"]

        assert networked()
        ctx.journal = Journal(ctx.run, ctx.agent.actor(), dying)
        for key, name, arguments in (("act.1", "run_command", get), ("act.2", "http_request", post)):
            with pytest.raises(Died):
                done(key, name, arguments)
        ctx.journal = Journal(ctx.run, ctx.agent.actor())
        turn = RunEnvironment(ctx)
        assert "may have happened" in done("act.1", "run_command", get)
        assert "may have happened" in done("act.2", "http_request", post)
        assert "more" not in done("act.3", "run_command", {"command": "cat a.py"}), "the tree is the one before"
        assert "status 404" in done("act.4", "http_request", {"url": f"{here}/get"})
        assert site.asked == ["/command", "/post", "/get"]
        for hosts in (("another.example",), ()):
            listing(tenant, *hosts)
            assert networked() is bool(hosts)
            step = f"late.{len(hosts)}"
            for name, asked in (("run_command", get), ("run_tests", {"network": True})):
                assert approver.decide(step, ToolCall("1", name, dict(asked))).permission is Permission.ASK
            done(f"{step}.1", "run_command", get)
            done(f"{step}.2", "http_request", {"url": f"{here}/late"})
            assert site.asked == ["/command", "/post", "/get"], "nothing reaches what is not listed any more"
        put_policy(tenant, active_policy().text.replace('    - ".gitmodules"', '    - ".gitmodules"\n    - "a.py"', 1))
        with pytest.raises(Forbidden, match=r"'a\.py' is not among the files"):
            done("late.3", "read_file", {"path": "a.py"})
