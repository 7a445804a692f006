"""What gpu_workers brings to the portal: who works now, the runs and changes of stories and tasks, evidence of merges."""

from typing import Any

from governance.selectors import spend_of
from governance.views import ApprovalView
from gpu_workers.ci_answers import known_ci
from gpu_workers.councils.convening import chairs_for
from gpu_workers.models import ChangeRequest
from gpu_workers.models.run import OPEN, RunKind
from gpu_workers.selectors import (
    agents_visible_to,
    change_of_task,
    changes_visible_to,
    run_of_council,
    runs_visible_to,
)
from gpu_workers.web.again import given_up_on, may_revert
from gpu_workers.web.council_offers import may_call
from gpu_workers.web.council_shown import shown_council
from gpu_workers.web.shown import agents_named, change_tone, diff_of, has_team_role, run_rows, shown_ci
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from guildhall.portal.registry import (
    Badge,
    Hit,
    NavItem,
    Panel,
    parties,
    register_address,
    register_names,
    register_nav,
    register_panel,
    register_search,
)
from workflows.models import Story
from workflows.selectors.councils import (
    HELD_IN,
    contributions_of,
    councils_visible_to,
    missing_councils,
    spent_on,
)

SHOWN = 6


def open_badge(actor: Actor) -> Badge | None:
    return Badge(runs_visible_to(actor).filter(state__in=OPEN).count(), "open")


def working_panel(actor: Actor, about: Any) -> dict[str, Any] | None:
    """Runs that are open, and the ones that a person has to look at."""
    if not has_team_role(actor):
        return None
    rows = run_rows(runs_visible_to(actor).filter(state__in=OPEN).order_by("number")[:SHOWN])
    working = sum(row.run.state == "running" for row in rows)
    agents = agents_visible_to(actor).filter(active=True).count() if not rows else 0
    summary = f"{working} agent{'s are' if working != 1 else ' is'} working." if working else "No agent is working."
    return {
        "rows": rows,
        "queued": sum(row.run.state == "queued" for row in rows),
        "agents": agents,
        "summary": summary,
    }


def escalated_panel(actor: Actor, about: Any) -> dict[str, Any] | None:
    """Runs that gave up and asked for a person, newest first, as long as nobody began another for the same work."""
    ended = list(runs_visible_to(actor).filter(state="escalated")[:SHOWN])
    later = set(
        runs_visible_to(actor)
        .filter(subject__in=[run.subject for run in ended])
        .exclude(state="escalated")
        .values_list("subject", "number")
    )
    rows = run_rows(run for run in ended if not any(s == run.subject and n > run.number for s, n in later))
    return {"rows": rows} if rows else None


def story_runs(actor: Actor, reference: str) -> dict[str, Any] | None:
    """All runs of a story."""
    rows = run_rows(runs_visible_to(actor).filter(story=f"story:{reference}")[:20])
    return {"rows": rows, "again": given_up_on(actor, [row.run for row in rows])} if rows else None


def task_runs(actor: Actor, reference: str) -> dict[str, Any] | None:
    """All runs of a task."""
    rows = run_rows(runs_visible_to(actor).filter(subject=f"task:{reference}")[:20])
    return {"rows": rows, "again": given_up_on(actor, [row.run for row in rows])} if rows else None


def story_changes(actor: Actor, reference: str) -> dict[str, Any] | None:
    """The change requests of a story."""
    changes = list(changes_visible_to(actor).filter(story=f"story:{reference}"))
    return {"changes": [(change, change_tone(change)) for change in changes]} if changes else None


def task_change(actor: Actor, reference: str) -> dict[str, Any] | None:
    """The change request of a task with its diff."""
    change = changes_visible_to(actor).filter(task=reference).first()
    if change is None:
        return None
    may = may_revert(actor, change)
    return {"change": change, "tone": change_tone(change), "files": _files(change), "may_revert": may}


def story_councils(actor: Actor, reference: str) -> dict[str, Any] | None:
    """The newest council of a story that stands, what the story waits for, and the way to another."""
    if not has_team_role(actor):
        return None
    story = Story.objects.select_related("project", "strategy").get(reference=reference)
    found = list(councils_visible_to(actor).filter(story=story))
    council = next((row for row in found if row.stands), None)
    waits = missing_councils([story.pk]).get(story.pk, []) if story.state in HELD_IN else []
    callable_ = may_call(actor, story)
    if council is None and not waits and not callable_:
        return None
    return {
        "reference": reference,
        "council": council,
        "shown": shown_council(council, contributions_of(council), run_of_council(council.ref)) if council else None,
        "spent": spent_on(council) if council else None,
        "others": max(0, len(found) - 1),
        "waits": [] if council is not None and council.is_open else waits,
        "lacking": _lacking(story) if waits and council is None else "",
        "callable": callable_ and (council is None or not council.is_open),
    }


def _lacking(story: Story) -> str:
    """Why the council that the story waits for cannot be called, or ""."""
    try:
        chairs_for(story)
    except Conflict as nobody:
        return nobody.detail
    return ""


def merge_evidence(actor: Actor, view: ApprovalView) -> dict[str, Any] | None:
    """What a merge rests on: CI on exactly this commit, who judged it, what it cost, and the diff itself."""
    task = view.subject.removeprefix("task:")
    change = change_of_task(task)
    if change is None or not has_team_role(actor):
        return None
    base, head = str(view.binding.get("base_sha", "")), str(view.binding.get("commit_sha", ""))
    judged = runs_visible_to(actor).filter(
        subject=f"task:{task}", kind__in=[RunKind.REVIEW, RunKind.TEST], head_sha=head, state="succeeded"
    )
    return {
        "task": task,
        "change": change,
        "author": parties([change.author])[change.author],
        "ci": shown_ci(known_ci(change.repository, head)),
        "judged": run_rows(judged.order_by("number")),
        "cost": spend_of("task", task).spent,
        "run": change.run,
        "current": change.head_sha == head,
        "files": diff_of(change.repository, base, head),
    }


def _files(change: ChangeRequest) -> list[Any]:
    return diff_of(change.repository, change.base_sha, change.head_sha)


def find_runs(actor: Actor, text: str) -> list[Hit]:
    """Runs by number or title; the newest for an empty text."""
    found = runs_visible_to(actor)
    digits = text.lower().removeprefix("run").strip()
    if text:
        found = (
            found.filter(number=int(digits))
            if digits.isdecimal() and len(digits) < 9
            else found.filter(title__icontains=text)
        )
    return [
        Hit(f"Run {run.number} {run.title}", f"/runs/{run.number}/", "player-play", "Runs") for run in found[:SHOWN]
    ]


def register() -> None:
    """Called once the apps are ready."""
    register_names("agent", agents_named)
    register_nav(
        NavItem(
            "Runs", "player-play", "/runs/", 40, "Work", "r", shown_to=has_team_role, badge=open_badge, live="run:*"
        )
    )
    pages = "gpu_workers/_"
    for panel in (
        Panel("working", "dashboard.main", f"{pages}working_panel.html", 30, working_panel, "run:*"),
        Panel("escalated", "dashboard.main", f"{pages}escalated_panel.html", 25, escalated_panel, "run:*"),
        Panel(
            "story-councils",
            "story.main",
            f"{pages}story_councils.html",
            5,
            story_councils,
            "council:* decision:*",
            500,
        ),
        Panel("story-runs", "story.main", f"{pages}runs_panel.html", 10, story_runs, "run:* task:{}.*"),
        Panel("story-changes", "story.main", f"{pages}changes_panel.html", 20, story_changes, "change:* task:{}.*"),
        Panel("task-change", "task.main", f"{pages}change_panel.html", 10, task_change, "change:* task:{}"),
        Panel("task-runs", "task.main", f"{pages}runs_panel.html", 20, task_runs, "run:* task:{}"),
        Panel("merge-evidence", "approval.merge", f"{pages}merge_evidence.html", 10, merge_evidence, "change:*"),
    ):
        register_panel(panel)
    register_nav(NavItem("Changes", "git-branch", "/changes/", 42, "Work", "", shown_to=has_team_role))
    register_nav(NavItem("Councils", "users-group", "/councils/", 45, "Work", "", shown_to=has_team_role))
    register_nav(NavItem("Incidents", "alert-triangle", "/incidents/", 47, "Work", "", shown_to=has_team_role))
    register_nav(NavItem("Agents", "robot", "/agents/", 75, "Govern", "n", shown_to=has_team_role))
    register_address("agent", lambda name: f"/agents/{name}/")
    register_address("council", lambda pk: f"/councils/{pk}/")
    register_address("change", lambda number: f"/changes/{number}/")
    register_address("run", lambda number: f"/runs/{number}/")
    register_search(find_runs)
