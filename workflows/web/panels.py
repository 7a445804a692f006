"""What workflows brings to the portal: the menu entry, what waits for the reader's roles, what happened."""

from typing import Any

from guildhall.evidence.selectors import recent
from guildhall.kernel.actor import Actor
from guildhall.portal.activity import entries
from guildhall.portal.registry import (
    Hit,
    NavItem,
    Panel,
    register_address,
    register_nav,
    register_panel,
    register_search,
)
from workflows.models import Story, Task
from workflows.policies import sees_all
from workflows.selectors import board, pending_for, stories_visible_to
from workflows.selectors.lists import PENDING
from workflows.web.shown import GROUPS, cards, task_rows

OWNER_STATES = ("po_review", "planned", "ready_to_review")
"""States in which a story waits for its product owner."""
TOLD = [
    "planning.story.created",
    "planning.story.transitioned",
    "workflow.task.transitioned",
    "governance.approval.decided",
    "governance.approval.executed",
    "agent.run.ended",
    "delivery.change.merged",
]
SHOWN = 6


def waiting_stories(actor: Actor) -> list[Story]:
    """Stories that a product owner has to move on."""
    if not actor.has_role("product_owner"):
        return []
    return list(
        stories_visible_to(actor).filter(state__in=OWNER_STATES).prefetch_related("tasks").order_by("changed_at")
    )


def waiting_tasks(actor: Actor) -> list[Task]:
    """Tasks that the reader's roles can take up, a product owner's aside: those wait in the approvals."""
    roles = sorted(actor.roles & (set(PENDING) - {"product_owner"}))
    return [task for role in roles for task in pending_for(actor, role)[:SHOWN]]


def todo_panel(actor: Actor, about: Any) -> dict[str, Any] | None:
    """Stories and tasks that wait for the reader."""
    stories, tasks = waiting_stories(actor), waiting_tasks(actor)
    if not stories and not tasks:
        return None
    rows = list(cards(stories[:SHOWN], with_cost=False).values())
    return {"stories": rows, "tasks": task_rows(tasks[:SHOWN], with_cost=False), "number": len(stories) + len(tasks)}


def stories_panel(actor: Actor, about: Any) -> dict[str, Any]:
    """How many stories stand where, and the ones that moved last."""
    columns = board(actor)
    stories = [story for state in columns for story in columns[state]]
    latest = sorted(stories, key=lambda story: story.changed_at, reverse=True)[:SHOWN]
    groups = [(name, sum(len(columns[state]) for state in states)) for name, states in GROUPS]
    return {"groups": groups, "cards": list(cards(latest, with_cost=sees_all(actor)).values()), "number": len(stories)}


def activity_panel(actor: Actor, about: Any) -> dict[str, Any] | None:
    """The newest acts on stories, tasks, approvals and changes."""
    if not sees_all(actor):
        return None
    return {"entries": entries(recent(kinds=TOLD, outcome="done", limit=8))}


def find_stories(actor: Actor, text: str) -> list[Hit]:
    """Stories by reference or title; the ones that moved last for an empty text."""
    found = stories_visible_to(actor).order_by("-changed_at")
    if text:
        found = found.filter(title__icontains=text) | found.filter(reference__istartswith=text)
    return [
        Hit(f"{story.reference} {story.title}", f"/stories/{story.reference}/", "layout-kanban", "Stories")
        for story in found[:SHOWN]
    ]


def register() -> None:
    """Called once the apps are ready."""
    register_nav(NavItem("Stories", "layout-kanban", "/stories/", 30, group="Work", key="s", tab=True))
    live = "story:* task:*"
    register_panel(Panel("todo", "dashboard.main", "workflows/_todo_panel.html", 20, todo_panel, live))
    register_panel(Panel("stories", "dashboard.main", "workflows/_stories_panel.html", 40, stories_panel, live))
    every = "story:* task:* run:* approval:* change:*"
    register_panel(Panel("activity", "dashboard.aside", "workflows/_activity_panel.html", 40, activity_panel, every))
    register_address("story", lambda reference: f"/stories/{reference}/")
    register_address("task", lambda reference: f"/tasks/{reference}/")
    register_search(find_stories)
