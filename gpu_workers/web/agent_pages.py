"""Pages of agents: the leaderboard, and one agent with its standing, history, runs and cost."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from governance.actions.reputation import adjust_reputation
from governance.hold_targets import may_pause
from governance.scopes import ScopeKind
from governance.selectors import budgets, is_held, spend_of
from governance.selectors.reputation import history_of, recent_changes
from gpu_workers.actions.agent_prompts import Prompts, concerned, move_prompts, version_after
from gpu_workers.actions.agents import rest_agent, set_cap, wake_agent
from gpu_workers.models import Agent
from gpu_workers.models.agent import AutonomyLevel
from gpu_workers.policies import GRANTS
from gpu_workers.prompts import prompts_of
from gpu_workers.selectors import agent_for, agents_visible_to, runs_visible_to
from gpu_workers.tools import changes_files
from gpu_workers.web.agent_shown import (
    LEVELS,
    agent_rows,
    given_tools,
    ladder,
    permissions,
    shown_change,
    standing_row,
    way_up,
)
from gpu_workers.web.shown import agent_party, has_team_role, run_rows
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.registry import parties
from guildhall.portal.views import PageRequest, form_page, page
from workflows.web.plan_form import Sent, version_of

CHANGES = 20
RUNS = 8
MAY_ADJUST = ("admin", "architect")


@page
def agents(request: PageRequest) -> HttpResponse:
    """The leaderboard, what a score allows, and the newest changes."""
    if not has_team_role(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    rows = agent_rows(list(agents_visible_to(request.actor)))
    changes = [shown_change(change) for change in recent_changes()]
    known = parties(change.agent for change, _ in changes)
    context = {
        "rows": rows,
        "rungs": ladder([row.standing for row in rows if row.agent.active]),
        "restricted": [row for row in rows if row.standing.restricted],
        "may_register": request.actor.has_role(*GRANTS["agent.register"]),
        "changes": [(change, words, known[change.agent]) for change, words in changes],
        "older": sum(concerned(row.agent, Prompts.NEWEST) for row in rows),
    }
    return render(request, "gpu_workers/agents.html", context)


@form_page
def agent(request: PageRequest, name: str) -> HttpResponse:
    """One agent; adjusting its reputation and its cap of autonomy, for those who may."""
    row = agent_for(request.actor, name)
    return _act(request, row) if request.method == "POST" else _show(request, row)


def _act(request: PageRequest, row: Agent) -> HttpResponse:
    sent = request.POST.dict()
    try:
        said = ACTS.get(sent.get("act", ""), _adjust)(request.actor, row, sent)
    except NotFound:
        raise
    except GuildhallError as problem:
        return _show(request, agent_for(request.actor, row.name), status=problem.status, problem=problem, sent=sent)
    messages.success(request, said)
    return redirect("agent", name=row.name)


def _adjust(actor: Actor, row: Agent, sent: Sent) -> str:
    source, points = f"form:{sent.get('form', '')[:60]}", _points(sent.get("points", ""))
    view = adjust_reputation(actor=actor, agent=row.ref, points=points, source=source, reason=sent.get("reason", ""))
    return f"{row.title} has {view.score} points now."


def _cap(actor: Actor, row: Agent, sent: Sent) -> str:
    reason, version = sent.get("reason", ""), version_of(sent)
    set_cap(actor=actor, agent=row, cap=sent.get("cap", ""), reason=reason, version=version)
    return f"{row.title} goes up to {AutonomyLevel(sent['cap']).label} now."


def _rest(actor: Actor, row: Agent, sent: Sent) -> str:
    rest_agent(actor=actor, agent=row, reason=sent.get("reason", ""), version=version_of(sent))
    return f"{row.title} gets no new work. What it has in hand goes on."


def _wake(actor: Actor, row: Agent, sent: Sent) -> str:
    wake_agent(actor=actor, agent=row, version=version_of(sent))
    return f"{row.title} gets work again."


def _prompts(actor: Actor, row: Agent, sent: Sent) -> str:
    moved = move_prompts(actor=actor, agent=row, to=sent.get("to", ""), version=version_of(sent))
    return f"{row.title} is told the prompts {moved.prompt_version} from its next run on."


ACTS: dict[str, Callable[[Actor, Agent, Sent], str]] = {
    "cap": _cap,
    "rest": _rest,
    "wake": _wake,
    "prompts": _prompts,
}


def _points(text: str) -> int:
    bare = text.strip().removeprefix("+").removeprefix("-")
    if not (bare.isascii() and bare.isdecimal() and len(bare) < 5):
        raise Invalid("The reputation was not changed.", fields={"points": ["Give a whole number, such as -15."]})
    return -int(bare) if text.strip().startswith("-") else int(bare)


def _show(request: PageRequest, row: Agent, *, status: int = 200, **more: Any) -> HttpResponse:
    actor: Actor = request.actor
    standing, trend = standing_row(row)
    tools = given_tools(row)
    before = request.GET.get("before", "")
    older_than = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None
    changes = history_of(row.ref, before=older_than, limit=CHANGES + 1)
    givers = parties(change.given_by for change in changes[:CHANGES])
    context = {
        "agent": row,
        "who": agent_party(row),
        "standing": standing,
        "level": LEVELS[standing.level],
        "trend": trend,
        "week": trend[-1] - trend[-8],
        "way": way_up(standing),
        "may_do": permissions(row, standing),
        "cap_label": AutonomyLevel(row.autonomy_cap).label,
        "caps": AutonomyLevel.choices,
        "may_pause": may_pause(actor),
        "held": is_held(agent=row.ref),
        "changes": [(*shown_change(change), givers[change.given_by]) for change in changes[:CHANGES]],
        "older": changes[CHANGES - 1].id if len(changes) > CHANGES else None,
        "newer": older_than is not None,
        "runs": run_rows(runs_visible_to(actor).filter(agent=row)[:RUNS]),
        "spent": spend_of("agent", row.ref),
        "limits": budgets(kind=ScopeKind.AGENT, scope_id=row.name),
        "may_limit": actor.has_role("admin"),
        "prompts": prompts_of(row.kind, row.prompt_version, changes_files=changes_files(row.role)),
        "newer_prompts": version_after(row, Prompts.NEWEST),
        "earlier_prompts": version_after(row, Prompts.PREVIOUS),
        "tools": tools,
        "refused_tools": [tool for tool in tools if not tool.allowed],
        "may_adjust": actor.has_role(*MAY_ADJUST),
        "form": uuid4().hex,
        **more,
    }
    return render(request, "gpu_workers/agent.html", context, status=status)
