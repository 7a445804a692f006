"""The trail as agents read it, and what they say to people: of their own organisation, of the work, once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gpu_workers.models import Agent
from gpu_workers.repos import Workspace
from gpu_workers.runs.telling import say, search_work
from gpu_workers.sandbox import Sandbox
from gpu_workers.tools import TaskBrief, ToolContext, ToolRefused, execute, offered_tools
from gpu_workers.tools.record import AREAS
from guildhall.kernel.tenancy import tenant_scope
from tests.isolation.rooms import furnish
from tests.support.tenants import TestTenant
from workflows.models import Comment

pytestmark = pytest.mark.integration
TASK = "SHOP-1.1"


def context(role: str, **ports: Any) -> ToolContext:
    return ToolContext(Workspace(Path(tempfile.gettempdir())), Sandbox(), role, TaskBrief("Review"), "", **ports)


def test_the_trail_of_the_work_is_searched_and_a_comment_is_said_once(make_tenant: Callable[..., TestTenant]) -> None:
    tenant, other = make_tenant(), make_tenant()
    furnish(tenant, "ours-7", ["SHOP"])
    furnish(tenant, "beside-8", ["BANK"])
    furnish(other, "theirs-9", ["SHOP"])
    with tenant_scope(tenant.schema):
        actor = Agent.objects.filter(role="architect").first()
        assert actor is not None
        here = context(
            "architect", audit=partial(search_work, "SHOP"), comment=lambda text: say(actor.actor(), TASK, text)
        )
        everything = "".join(execute("audit", {"area": area}, here).text for area in AREAS)
        for others in ("theirs-9", "beside-8", "BANK", "strategy:2", "epic:2", "run:2", "approval:2", "violation:2"):
            assert others not in everything, "the work of another organisation, or of another project"
        for own in ("project:SHOP", "strategy:1", "epic:1", "story:SHOP-1", "task:SHOP-1.1", "run:1"):
            assert f" {own}: " in everything
        assert all(f" {kind}:1: " in everything for kind in ("approval", "violation")), (
            "what was asked and broken there"
        )
        for about in ("story:BANK-1", "run:2"):
            found = [execute("audit", {"area": area, "about": about}, here).text for area in AREAS]
            assert found == ["Nothing found."] * len(AREAS)
        one = execute("audit", {"area": "planning", "about": "story:SHOP-1", "text": "draft"}, here).text
        assert all(line.split()[2].startswith("story:SHOP-1") for line in one.splitlines() if line != "Nothing found.")
        for area in ("identity", "tenancy", "", "planning.story"):
            assert "not accepted" in execute("audit", {"area": area}, here).text
        words = {"text": "The key is password=hunter2hunter2 and has to go."}
        assert execute("comment", words, here).text == f"Written on {TASK}."
        assert execute("comment", words, here).text == f"It stands on {TASK} already."
        [said] = Comment.objects.filter(author=actor.ref)
        assert "hunter2" not in said.text
        assert not said.client_visible


def test_others_are_refused_and_without_a_task_there_is_nothing_to_say() -> None:
    said: list[str] = []

    def speak(text: str) -> str:
        said.append(text)
        return "Written."

    for role in ("developer", "qa", "devops", "data", "planner"):
        for name, arguments in (("audit", {"area": "agent"}), ("comment", {"text": "Something to say."})):
            with pytest.raises(ToolRefused) as caught:
                execute(name, arguments, context(role, audit=lambda *_: ["x"], comment=speak))
            assert caught.value.kind == "role"
    bare = context("architect")
    assert not execute("comment", {"text": "Something to say."}, bare).ok
    assert not {"audit", "comment"} & {spec.name for spec in offered_tools(bare)}
    assert said == []
