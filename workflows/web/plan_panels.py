"""What plans bring to the portal: menu entries, addresses, search, and the decisions beside a story or a task."""

from typing import Any

from guildhall.kernel.actor import Actor
from guildhall.portal.registry import (
    Hit,
    NavItem,
    Panel,
    Party,
    register_address,
    register_names,
    register_nav,
    register_panel,
    register_search,
)
from workflows.models import Project, Strategy, Task
from workflows.policies import sees_all
from workflows.selectors import tree
from workflows.web.decision_pages import tone_of
from workflows.web.plan_form import may_open

SHOWN = 20
FOUND = 4


def story_decisions(actor: Actor, reference: Any) -> dict[str, Any] | None:
    """Decisions that affect a story or one of its tasks."""
    tasks = Task.objects.filter(story__reference=reference).values_list("reference", flat=True)
    return _about(actor, [f"story:{reference}", *(f"task:{task}" for task in tasks)])


def task_decisions(actor: Actor, reference: Any) -> dict[str, Any] | None:
    """Decisions that affect a task."""
    return _about(actor, [f"task:{reference}"])


def _about(actor: Actor, refs: list[str]) -> dict[str, Any] | None:
    rows = tree.decisions_visible_to(actor).filter(affects__overlap=refs).order_by("-id")[:SHOWN]
    shown = [(row, tone_of(row)) for row in rows]
    return {"rows": shown, "about": refs[0]} if shown else None


def first_project(actor: Actor, about: Any) -> dict[str, Any] | None:
    """Where to begin, as long as there is no project."""
    return {"opens": may_open(actor)} if sees_all(actor) and not Project.objects.exists() else None


def find_plans(actor: Actor, text: str) -> list[Hit]:
    """Strategies, epics, sprints and decisions by their titles."""
    if not text or not sees_all(actor):
        return []
    strategies = tree.strategies_visible_to(actor).filter(title__icontains=text).order_by("-id")[:FOUND]
    epics = tree.epics_visible_to(actor).filter(title__icontains=text).order_by("-id")[:FOUND]
    sprints = tree.sprints_visible_to(actor).filter(name__icontains=text).order_by("-id")[:FOUND]
    decisions = tree.decisions_visible_to(actor).filter(title__icontains=text).order_by("-id")[:FOUND]
    return [
        *(Hit(str(row), f"/strategies/{row.pk}/", "target-arrow", "Strategies") for row in strategies),
        *(Hit(row.title, f"/epics/{row.pk}/", "stack-2", "Epics") for row in epics),
        *(Hit(f"{row.name} ({row.project.key})", f"/sprints/{row.pk}/", "route", "Sprints") for row in sprints),
        *(Hit(row.title, f"/decisions/{row.pk}/", "gavel", "Decisions") for row in decisions),
    ]


def strategies_named(ids: list[str]) -> dict[str, Party]:
    """Parties by the strategy's number, with its goal for a name."""
    numbers = [int(text) for text in ids if text.isascii() and text.isdecimal() and len(text) < 10]
    rows = Strategy.objects.filter(pk__in=numbers).values_list("pk", "goal")
    return {str(pk): Party(f"strategy:{pk}", goal, "target-arrow") for pk, goal in rows}


def register() -> None:
    """Called once the apps are ready."""
    register_nav(NavItem("Strategies", "target-arrow", "/strategies/", 28, "Work", "t", shown_to=sees_all))
    register_nav(NavItem("Sprints", "route", "/sprints/", 32, "Work", "p", shown_to=sees_all))
    register_nav(NavItem("Decisions", "gavel", "/decisions/", 48, "Work", shown_to=sees_all))
    decided = "workflows/_decided_panel.html"
    register_panel(Panel("story-decided", "story.main", decided, 40, story_decisions, "story:{} decision:*"))
    register_panel(Panel("task-decided", "task.main", decided, 40, task_decisions, "task:{} decision:*"))
    first = "workflows/_first_project.html"
    register_panel(Panel("first-project", "dashboard.main", first, 5, first_project, "project:*"))
    register_names("strategy", strategies_named)
    register_address("project", lambda key: f"/settings/projects/{key}/")
    for kind, where in (
        ("strategy", "strategies"),
        ("epic", "epics"),
        ("sprint", "sprints"),
        ("decision", "decisions"),
    ):
        register_address(kind, lambda identity, where=where: f"/{where}/{identity}/")  # type: ignore[misc]
    register_search(find_plans)
