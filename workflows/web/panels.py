"""What workflows brings to the portal: the menu entry, what waits for the reader's roles, what happened."""

import re
from typing import Any

from guildhall.evidence.selectors import recent
from guildhall.kernel.actor import Actor
from guildhall.portal.activity import entries
from guildhall.portal.registry import (
    Badge,
    Hit,
    NavItem,
    Panel,
    nav_for,
    register_address,
    register_nav,
    register_panel,
    register_search,
)
from workflows.policies import may_write, sees_all
from workflows.selectors import pending_for, stories_visible_to, tasks_visible_to
from workflows.selectors.beside import inbox_of
from workflows.selectors.lanes import counts
from workflows.selectors.lists import PENDING, waiting_states, waits_for
from workflows.selectors.search import BEST_FIRST, cleaned, said_in, searched
from workflows.selectors.tree import decisions_visible_to
from workflows.web.shown import GROUPS, cards, task_rows

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
COMMANDS = 10
TASK_BEGUN = re.compile(r"[A-Za-z][A-Za-z0-9]{1,9}-[0-9]+\.[0-9]*")


def todo_panel(actor: Actor, about: Any) -> dict[str, Any] | None:
    """Stories and tasks that wait for the reader."""
    number = waits_for(actor)
    if not number:
        return None
    states = waiting_states(actor)
    due = stories_visible_to(actor).filter(state__in=states).order_by("changed_at")
    stories = list(due.prefetch_related("tasks", "labels")[:SHOWN]) if states else []
    roles = sorted(actor.roles & (set(PENDING) - {"product_owner"}))
    tasks = [task for role in roles for task in pending_for(actor, role)[:SHOWN]][:SHOWN]
    rows = list(cards(stories, with_cost=False).values())
    return {"stories": rows, "tasks": task_rows(tasks, with_cost=False), "number": number}


def stories_panel(actor: Actor, about: Any) -> dict[str, Any]:
    """How many stories stand where, and the ones that moved last."""
    visible = stories_visible_to(actor).exclude(state="archived")
    number = counts(visible)
    latest = list(visible.prefetch_related("tasks", "labels").order_by("-changed_at", "-id")[:SHOWN])
    groups = [(name, sum(number.get(state, 0) for state in states)) for name, states in GROUPS]
    shown = list(cards(latest, with_cost=sees_all(actor)).values())
    return {"groups": groups, "cards": shown, "number": sum(number.values())}


def activity_panel(actor: Actor, about: Any) -> dict[str, Any] | None:
    """The newest acts on stories, tasks, approvals and changes."""
    if not sees_all(actor):
        return None
    return {"entries": entries(recent(kinds=TOLD, outcome="done", limit=8))}


def find_stories(actor: Actor, text: str) -> list[Hit]:
    """Stories by reference or any of their words; the ones that moved last for an empty text."""
    found = searched(stories_visible_to(actor), actor, text).order_by(*BEST_FIRST)
    return [
        Hit(f"{story.reference} {story.title}", f"/stories/{story.reference}/", "layout-kanban", "Stories")
        for story in found[:SHOWN]
    ]


def find_tasks(actor: Actor, text: str) -> list[Hit]:
    """Tasks by the beginning of their reference, once it names a story's, or else by their words."""
    if TASK_BEGUN.fullmatch(text.strip()):
        named = tasks_visible_to(actor).filter(reference__startswith=cleaned(text).upper())
        found = named.order_by("rank", "number")
    else:
        found = said_in(tasks_visible_to(actor), text)
    return [
        Hit(f"{task.reference} {task.title}", f"/tasks/{task.reference}/", "list-check", "Tasks")
        for task in found[:SHOWN]
    ]


def find_decisions(actor: Actor, text: str) -> list[Hit]:
    """Decisions by their words."""
    found = said_in(decisions_visible_to(actor), text)
    return [Hit(row.title, f"/decisions/{row.pk}/", "gavel", "Decisions") for row in found[:SHOWN]]


def find_commands(actor: Actor, text: str) -> list[Hit]:
    """What one can do or where one can go, by any word of it."""
    words = text.lower().split()
    own = [("New story", "/stories/new/", "plus")] if may_write(actor) else []
    own += [("Saved filters", "/filters/", "bookmark")] + ([("Labels", "/labels/", "tag")] if sees_all(actor) else [])
    pages = [(f"Go to {item.label.lower()}", item.url, item.icon) for item in nav_for(actor)]
    found = [Hit(title, url, icon, "Commands") for title, url, icon in [*own, *pages]]
    return [hit for hit in found if all(word in hit.title.lower() for word in words)][:COMMANDS]


def new_story(actor: Actor, about: Any) -> dict[str, Any] | None:
    """Beside the dashboard's greeting, for those who write stories."""
    return {} if may_write(actor) else None


def inbox_badge(actor: Actor) -> Badge | None:
    return Badge(inbox_of(actor).filter(read_at=None).count(), "unread")


def register() -> None:
    """Called once the apps are ready."""
    register_nav(NavItem("Stories", "layout-kanban", "/stories/", 30, group="Work", key="s", tab=True))
    register_nav(NavItem("Waiting for me", "hand-stop", "/waiting/", 12, key="w", shown_to=sees_all))
    register_nav(NavItem("Inbox", "inbox", "/inbox/", 14, key="i", badge=inbox_badge, live="story:* task:* council:*"))
    register_panel(Panel("new-story", "dashboard.acts", "workflows/_new_story.html", 10, new_story))
    live = "story:* task:*"
    register_panel(Panel("todo", "dashboard.main", "workflows/_todo_panel.html", 20, todo_panel, live))
    register_panel(Panel("stories", "dashboard.main", "workflows/_stories_panel.html", 40, stories_panel, live))
    every = "story:* task:* run:* approval:* change:*"
    register_panel(Panel("activity", "dashboard.aside", "workflows/_activity_panel.html", 40, activity_panel, every))
    register_address("story", lambda reference: f"/stories/{reference}/")
    register_address("task", lambda reference: f"/tasks/{reference}/")
    for find in (find_stories, find_tasks, find_decisions, find_commands):
        register_search(find)
