"""git that works for long on what a repository wrote: it ends with its run, and by itself, and the repository is told why."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from governance.actions.holds import lift_hold, place_hold
from gpu_workers import patching
from gpu_workers.forges import Published, remote
from gpu_workers.forges.github import GitHub
from gpu_workers.forges.remote import Remote
from gpu_workers.forges.rest import Api
from gpu_workers.handing_in import carry_out_hand_in
from gpu_workers.loop import ToolCall
from gpu_workers.models import HandIn, Run
from gpu_workers.models.run import RunState
from gpu_workers.repos import (
    Signature,
    Workspace,
    checkout_tree,
    clone_workspace,
    create_repository,
    head_of,
    workspaces,
)
from gpu_workers.repos.bounds import refuse_unfolding
from gpu_workers.repos.git import TooMuchWork, stream
from gpu_workers.repos.repository import branch_head, init
from gpu_workers.repos.stopping import GitStopped, stopping_with
from gpu_workers.repos.workspaces import tree_of
from gpu_workers.runs import engine
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.environment import RunEnvironment
from gpu_workers.runs.model import Head
from gpu_workers.runs.resting import is_of_the_machine
from gpu_workers.tests.test_waiting_tools import at_work
from guildhall.evidence.selectors import recent
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.github import FULL_NAME, TOKEN, GitHubServer
from tests.story.test_handed_in_by_people import FILES, act, hand_in, patch_of, world_of
from tests.support.tenants import TestTenant
from tests.support.world import World

pytestmark = pytest.mark.integration
MASON = Signature("Mason", "mason@agents.example")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STARS = "**/" * 9 + "b*c"
"""A pattern that may match in so many ways that a path of sixty folders takes minutes of trying."""


def starred(workspace: Workspace) -> None:
    deep = workspace.tree.joinpath(*["b"] * 60)
    deep.mkdir(parents=True)
    (deep / "bx").touch()
    (workspace.tree / ".gitignore").write_text(f"{STARS}\n")


def test_git_ends_with_what_it_is_called_for_and_patterns_without_end_are_a_verdict(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_repository(ground / "shop.git", {"README": b"Notes.\n"}, MASON, NOON)
    base, stop = head_of(ground / "shop.git", "main"), threading.Event()
    workspace = clone_workspace(ground / "shop.git", ground / "ws", "guildhall/X-1", base)
    starred(workspace)
    stop.set()
    with stopping_with(stop):
        with pytest.raises(GitStopped):
            tree_of(workspace, base)
        with pytest.raises(GitStopped):
            checkout_tree(workspace.git_dir, base, ground / "checkout")
    monkeypatch.setattr(workspaces, "IGNORING_S", 1)
    with pytest.raises(TooMuchWork, match=r"What \.gitignore leaves out cannot be told within 1 seconds") as verdict:
        tree_of(workspace, base)
    assert (verdict.value.own, is_of_the_machine(verdict.value)) == (True, False)


def test_many_short_calls_end_between_two_of_them(ground: Path) -> None:
    create_repository(ground / "shop.git", {"README": b"Notes.\n"}, MASON, NOON)
    base, stop = head_of(ground / "shop.git", "main"), threading.Event()
    workspace = clone_workspace(ground / "shop.git", ground / "ws", "guildhall/X-1", base)
    for name in ("a", "b", "c"):
        (workspace.tree / name).write_text(name)
    stop.set()
    with stopping_with(stop):
        with pytest.raises(GitStopped):
            tree_of(workspace, base)
        with pytest.raises(GitStopped):
            list(stream(workspace.git_dir, "cat-file", "blob", f"{base}:README"))


def test_a_branch_that_was_fetched_and_not_looked_through_is_where_it_was(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()

    def stopped(repo: Path, sha: str) -> None:
        stop.set()
        refuse_unfolding(repo, sha)

    monkeypatch.setattr(remote, "refuse_unfolding", stopped)
    with GitHubServer(ground / "hub") as hub:
        hub.start({"README.md": b"Notes that nobody has read.\n"})
        copy = ground / "copy.git"
        init(copy, bare=True)
        away = Remote(copy, f"{hub.at}/git/{FULL_NAME}.git", TOKEN, loopback=True)
        with stopping_with(stop), pytest.raises(GitStopped):
            away.fetch("main")
    assert branch_head(copy, "main") is None


def test_what_landed_at_github_is_known_here_although_a_kill_switch_is_pulled_at_that_moment(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    with GitHubServer(ground / "hub") as hub:
        base = hub.start({"README.md": b"Notes.\n"})
        sha = hub.commit("change", {"README.md": b"Notes, and more.\n"}, [base])
        lands = hub.merge

        def landed(pull: dict[str, Any], sha: str) -> tuple[int, dict[str, Any]]:
            stop.set()
            return lands(pull, sha)

        monkeypatch.setattr(hub, "merge", landed)
        copy = ground / "copy.git"
        away = Remote(copy, f"{hub.at}/git/{FULL_NAME}.git", TOKEN, loopback=True)
        forge = GitHub(Api(hub.url, TOKEN, loopback=True), away, copy, FULL_NAME, "main", requires_checks=False)
        forge.refresh()
        pull = forge.propose("change", "More", "More.", lambda: None)
        approved = Published(sha=sha, base_sha=base, branch="change", number=pull.number)
        with monkeypatch.context() as held:
            held.setattr(GitHub, "_wanted", lambda *_: stop.set())
            with stopping_with(stop), pytest.raises(GitStopped):
                forge.merge(approved)
        assert hub.head() == base, "GitHub was not asked to merge under a kill switch"
        stop.clear()
        with stopping_with(stop):
            forge.merge(approved)
        assert stop.is_set()
        assert head_of(copy, "main") == hub.head() != base


def test_a_kill_switch_ends_the_git_of_a_run_and_an_agent_is_told_of_patterns_without_end(
    tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World.build(tenant, "TILL", {"a.py": b"answer = 6 * 7\n"}, "true")
    stopped: list[GitStopped] = []

    def held_up(ctx: RunContext) -> None:
        starred(ctx.workspace)
        place_hold(actor=tenant.actor("admin"), kind="tenant", target="", reason="They all loop.")
        with pytest.raises(GitStopped) as stop:
            tree_of(ctx.workspace, ctx.run.base_sha)
        stopped.append(stop.value)
        raise stop.value

    with tenant_scope(tenant.schema):
        ctx = at_work(world)
        ctx.agent.role, ctx.model.head = "developer", Head(window=8192, tools=True, schema=True, able=True)
        with monkeypatch.context() as patch:
            patch.setattr(workspaces, "IGNORING_S", 1)
            write = f"mkdir -p {'/'.join(['b'] * 60)}; touch {'/'.join(['b'] * 60)}/bx; echo '{STARS}' > .gitignore"
            told = RunEnvironment(ctx).execute("act.1", ToolCall("1", "run_command", {"command": write}))
        assert "Write fewer and simpler ones. The workspace was put back" in told.text

        Run.objects.update(lease_until=None, base_sha=ctx.run.base_sha, branch=ctx.run.branch)
        monkeypatch.setitem(engine.KINDS, "work", held_up)
        engine.execute(ctx.run.number)
        assert stopped, "it did not go on to its own end"
        assert Run.objects.get().state == RunState.QUEUED
        assert len(recent(kinds=["agent.run.let_go"])) == 1


def test_a_kill_switch_ends_the_git_of_a_hand_in_and_its_person_is_told_of_patterns_without_end(
    tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = world_of(tenant)
    ada, admin = tenant.actor("developer", name="ada"), tenant.actor("admin")
    act(world, ada, "claim_task")
    ignored = FILES[".gitignore"].decode()
    patch = patch_of(f"{'/'.join(['b'] * 60)}/bx", "", "x\n") + patch_of(".gitignore", ignored, f"{ignored}{STARS}\n")
    made = hand_in(world, ada, patch)

    def held_up(workspace: Workspace, parent: str) -> str:
        place_hold(actor=admin, kind="tenant", target="", reason="Everything stops now.")
        return tree_of(workspace, parent)

    with tenant_scope(tenant.schema):
        with monkeypatch.context() as held:
            held.setattr(patching, "tree_of", held_up)
            carry_out_hand_in(made.pk)
        made.refresh_from_db()
        assert (made.state, made.tries) == ("waiting", 0)
        assert "Everything stops now" in made.reason
        lift_hold(actor=admin, kind="tenant", target="")
        HandIn.objects.update(retry_at=None)
        monkeypatch.setattr(workspaces, "IGNORING_S", 1)
        carry_out_hand_in(made.pk)
        made.refresh_from_db()
        assert made.state == "refused"
        assert made.reason.startswith("What .gitignore leaves out cannot be told within 1 seconds")
