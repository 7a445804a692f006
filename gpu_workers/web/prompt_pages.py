"""Pages of what agents are told: every agent with its version, and how one version differs from another."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from gpu_workers.actions.agent_prompts import Prompts, concerned, move_all_prompts, version_after
from gpu_workers.diff_lines import DiffLine, lines_of
from gpu_workers.models import Agent
from gpu_workers.policies import may
from gpu_workers.prompts import newest, prompts_of, versions_of
from gpu_workers.prompts.comparing import Difference, differences
from gpu_workers.selectors import agent_for, agents_visible_to, has_team_role
from gpu_workers.tools import changes_files
from gpu_workers.web.shown import agent_party
from guildhall.kernel.errors import GuildhallError, NotFound
from guildhall.portal.registry import Party
from guildhall.portal.views import PageRequest, form_page, page


@dataclass(frozen=True, slots=True)
class PromptRow:
    """One agent: the newest version for it, and what it came to that from, "" where from nothing."""

    agent: Agent
    who: Party
    newest: str
    newer: bool
    came_from: str


@dataclass(frozen=True, slots=True)
class ShownDifference:
    of: Difference
    lines: tuple[DiffLine, ...]


@form_page
def prompts(request: PageRequest) -> HttpResponse:
    """Which prompts every agent works with; moving all to the newest, and putting back those that came to them."""
    if not has_team_role(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    if request.method != "POST":
        return _overview(request)
    try:
        moved = move_all_prompts(actor=request.actor, to=request.POST.get("to", ""))
    except GuildhallError as problem:
        return _overview(request, problem=problem)
    told = ", ".join(f"{agent.title} ({agent.prompt_version})" for agent in moved)
    messages.success(request, f"From their next run on these are told other prompts: {told}.")
    return redirect("prompts")


def _overview(request: PageRequest, problem: GuildhallError | None = None) -> HttpResponse:
    rows = [_row(agent) for agent in agents_visible_to(request.actor).order_by("title")]
    context = {
        "rows": rows,
        "older": [row for row in rows if row.newer],
        "came": [row for row in rows if row.came_from],
        "may_move": may(request.actor, "agent.move_all_prompts"),
        "problem": problem,
    }
    return render(request, "gpu_workers/prompts.html", context, status=problem.status if problem else 200)


def _row(agent: Agent) -> PromptRow:
    came_from = agent.previous_prompts if concerned(agent, Prompts.PREVIOUS) else ""
    return PromptRow(agent, agent_party(agent), newest(agent.kind), concerned(agent, Prompts.NEWEST), came_from)


@page
def agent_prompts(request: PageRequest, name: str) -> HttpResponse:
    """What an agent is told at the version `new`, and how that differs from `old`; its own and the newest unless named."""
    row = agent_for(request.actor, name)
    shipped = versions_of(row.kind)
    old = _named(request.GET.get("old", ""), shipped) or row.prompt_version
    new = _named(request.GET.get("new", ""), shipped) or version_after(row, Prompts.NEWEST) or row.prompt_version
    writes = changes_files(row.role)
    found = differences(row.kind, old, new, changes_files=writes)
    context = {
        "agent": row,
        "shipped": shipped,
        "old": old,
        "new": new,
        "differences": [ShownDifference(one, tuple(lines_of(one.diff))) for one in found],
        "prompts": prompts_of(row.kind, new, changes_files=writes),
    }
    return render(request, "gpu_workers/agent_prompts.html", context)


def _named(version: str, shipped: tuple[str, ...]) -> str:
    return version if version in shipped else ""
