"""Pages of stories and tasks. Every form here calls the same action as the API."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from governance.scopes import ScopeKind
from governance.selectors import approvals_visible_to, budgets, spend_of
from governance.views import ApprovalView
from guildhall.evidence.selectors import trail
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.activity import Entry, entries
from guildhall.portal.registry import panels_for, parties
from guildhall.portal.views import PageRequest, form_page
from workflows.actions import renew_claim, transition_story, transition_task
from workflows.actions.planning import ADDABLE
from workflows.machines import READY_SCORE, STORY, TASK, TestReport
from workflows.models import Story, Task
from workflows.models.planning import DerivationState
from workflows.planning import TaskDraft
from workflows.planning.drafts import RISKS, ROLES, SIZES, problems_of
from workflows.policies import GRANTS, may_write, sees_all
from workflows.selectors import find_story, find_task, offers_for, stories_visible_to
from workflows.web.beside import beside
from workflows.web.shown import (
    MAIN_WAY,
    TASK_TONES,
    TASK_WAY,
    acts_of,
    stepper,
    story_state,
    task_rows,
)
from workflows.web.tasking import repositories_of
from workflows.web.writing import may_be_edited

TRAIL, SHOWN_ENTRIES = 150, 30
RENEW = "renew_claim"
ADDED = ("title", "role", "size", "risk", "acceptance", "repository")
"""What a rejection's form says of the task that it adds."""
BOOKKEEPING = frozenset(
    {
        "workflow.task.assigned",
        "workflow.task.routed",
        "workflow.claim.renewed",
        "workflow.validation.required",
        "agent.work.completed",
        "planning.task.derived",
    }
)
"""Events that say again what a move or a decision beside them says."""


@form_page
def story(request: PageRequest, reference: str) -> HttpResponse:
    """One story: where it stands, what it says, its tasks, what the reader may do, what happened."""
    row = find_story(request.actor, reference)
    if request.method == "POST":
        return _move_story(request, row)
    return _show_story(request, row)


def _move_story(request: PageRequest, row: Story) -> HttpResponse:
    sent = request.POST
    try:
        transition_story(
            actor=request.actor,
            story=row,
            name=sent.get("act", ""),
            feedback=sent.get("feedback", ""),
            version=_number(sent.get("version", ""), "version"),
            reopen=sent.getlist("reopen"),
            add=_added(sent),
        )
    except NotFound:
        raise
    except GuildhallError as error:
        row.refresh_from_db()
        return _show_story(request, row, status=error.status, problem=error, sent=sent)
    row.refresh_from_db()
    messages.success(request, f"{row.reference} is in “{STORY.states[row.state]}” now.")
    return redirect("story", reference=row.reference)


def _added(sent: Any) -> list[TaskDraft]:
    """The task that a rejection's form adds; none where its title is left empty. Raises `Invalid`."""
    given = {name: sent.get(f"add_{name}", "").replace("\0", "")[:20_000].strip() for name in ADDED}
    if not given["title"]:
        return []
    acceptance = tuple(line.strip() for line in given["acceptance"].splitlines() if line.strip())
    draft = TaskDraft(**{**given, "acceptance": acceptance})
    if problems := problems_of([draft]):
        raise Invalid(" ".join(problems), fields={"tasks": problems})
    return [draft]


def _number(text: str, field: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise Invalid("This is not a number.", fields={field: ["Give a whole number."]})
    return int(text)


def _show_story(request: PageRequest, row: Story, *, status: int = 200, **more: Any) -> HttpResponse:
    actor = request.actor
    team = sees_all(actor)
    tasks = list(row.tasks.all())
    known = parties([row.author, *([row.assignee] if row.assignee else [])])
    derivation = row.derivations.order_by("-id").first()
    proposal = derivation if derivation and derivation.state == DerivationState.PROPOSED else None
    context = {
        "story": row,
        "state": story_state(row.state),
        "stepper": stepper(row),
        "step": MAIN_WAY.index(row.state) + 1 if row.state in MAIN_WAY else 0,
        "steps": len(MAIN_WAY),
        "acts": acts_of(STORY, row.state, offers_for(actor, row), {"derive_tasks.tasks": proposal is not None}),
        "tasks": task_rows(tasks, with_cost=team),
        "done": sum(task.state == "done" for task in tasks),
        "reopenable": [task for task in tasks if task.state != "cancelled"],
        "proposal": proposal,
        "failed": derivation if derivation and derivation.state == DerivationState.FAILED else None,
        "ready": row.dor_score >= READY_SCORE,
        "editable": may_write(actor) and may_be_edited(row),
        "author": known[row.author],
        "assignee": known.get(row.assignee),
        "addable": row.state in ADDABLE,
        "roles": ROLES,
        "sizes": SIZES,
        "risks": RISKS,
        "repositories": repositories_of(row),
        "needs": stories_visible_to(actor).filter(needed_by__story=row).order_by("project_id", "number"),
        "team": team,
        "main": panels_for("story.main", actor, row.reference) if team else [],
        "plans": actor.has_role(*GRANTS["story.edit_proposal"]),
        **beside(actor, row, request.GET),
        **(_internal(actor, row) if team else {}),
        **more,
    }
    return render(request, "workflows/story.html", context, status=status)


def _internal(actor: Actor, row: Story) -> dict[str, Any]:
    """What clients do not see: money and the log of acts."""
    limit = next(iter(budgets(kind=ScopeKind.STORY, scope_id=row.reference)), None)
    subjects = [row.ref, *{task.ref for task in row.tasks.all()}]
    asked = approvals_visible_to(actor, subjects=subjects)
    return {
        "cost": spend_of("story", row.reference),
        "limit": limit.limit if limit else row.budget_usd,
        "waiting": [view for view in asked if view.state == "pending"],
        "entries": _told(subjects, asked),
    }


def _told(subjects: list[str], asked: Sequence[ApprovalView]) -> list[Entry]:
    """What was decided and done about these and the approvals about them, without the platform's own bookkeeping."""
    rows = [row for row in trail([*subjects, *(view.ref for view in asked)], TRAIL) if row["kind"] not in BOOKKEEPING]
    return entries(rows[:SHOWN_ENTRIES])


@form_page
def task(request: PageRequest, reference: str) -> HttpResponse:
    """One task: its state, who has which part, its evidence, what the reader may do."""
    row = find_task(request.actor, reference)
    if request.method == "POST":
        return _move_task(request, row)
    return _show_task(request, row)


def _move_task(request: PageRequest, row: Task) -> HttpResponse:
    sent = request.POST
    if sent.get("act") == RENEW:
        renewed = renew_claim(actor=request.actor, task=row, claim_token=row.claim_token)
        messages.success(request, f"{row.reference} is yours until {renewed.lease_until:%H:%M} UTC.")
        return redirect("task", reference=row.reference)
    try:
        transition_task(
            actor=request.actor,
            task=row,
            name=sent.get("act", ""),
            feedback=sent.get("feedback", ""),
            version=_number(sent.get("version", ""), "version"),
            commit_sha=sent.get("commit_sha", "").strip()[:64],
            report=_report(row, sent) if "passed" in sent else None,
        )
    except NotFound:
        raise
    except GuildhallError as error:
        row.refresh_from_db()
        return _show_task(request, row, status=error.status, problem=error, sent=sent)
    row.refresh_from_db()
    messages.success(request, f"{row.reference} is in “{TASK.states[row.state]}” now.")
    return redirect("task", reference=row.reference)


def _report(row: Task, sent: Any) -> TestReport:
    counts = {name: _number(sent.get(name, ""), name) or 0 for name in ("passed", "failed", "errors")}
    return TestReport(row.commit_sha, **counts, summary=sent.get("summary", "")[:2000])


def _show_task(request: PageRequest, row: Task, *, status: int = 200, **more: Any) -> HttpResponse:
    actor = request.actor
    team = sees_all(actor)
    parts = [(name, getattr(row, name)) for name in ("implementer", "reviewer", "tester", "approver")]
    known = parties(ref for _, ref in parts if ref)
    asked = approvals_visible_to(actor, subjects=[row.ref])
    context = {
        "task": row,
        "story": row.story,
        "label": TASK.states[row.state],
        "tone": TASK_TONES.get(row.state, "t-idle"),
        "way": [(TASK.states[state], TASK_WAY.index(state)) for state in TASK_WAY],
        "at": TASK_WAY.index(row.state) if row.state in TASK_WAY else -1,
        "parts": [(name, known.get(ref)) for name, ref in parts],
        "acts": acts_of(TASK, row.state, offers_for(actor, row), {}),
        "approvals": asked,
        "waits": [d.needs for d in row.dependencies.select_related("needs").exclude(needs__state="done")],
        "team": team,
        "main": panels_for("task.main", actor, row.reference) if team else [],
        "entries": _told([row.ref], asked) if team else [],
        "cost": spend_of("task", row.reference) if team else None,
        "renews": row.holder == actor.ref,
        "editable": row.state == "todo" and actor.has_role(*GRANTS["story.edit_task"]),
        **beside(actor, row, request.GET),
        **more,
    }
    return render(request, "workflows/task.html", context, status=status)
