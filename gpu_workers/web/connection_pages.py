"""Pages of what agents work with outside: repositories on GitHub, a project's issue tracker, a database that may be read."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters

from gpu_workers.actions.databases import forget_database
from gpu_workers.actions.trackers import forget_tracker
from gpu_workers.databases import connect as connect_database
from gpu_workers.forges.connecting import GITHUB, connect
from gpu_workers.forges.connecting import Wish as RepositoryWish
from gpu_workers.models import ForgeConnection, ProjectDatabase, ProjectTracker
from gpu_workers.models.tracker import TrackerKind
from gpu_workers.policies import may, may_connect
from gpu_workers.trackers.connecting import Wish as TrackerWish
from gpu_workers.trackers.connecting import connect as connect_tracker
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied, GuildhallError, Invalid, NotFound
from guildhall.portal.registry import Panel, register_panel
from guildhall.portal.views import PageRequest, form_page
from workflows.models import Project
from workflows.policies import sees_all
from workflows.selectors.lists import find_project
from workflows.web.plan_form import words
from workflows.web.project_pages import CI_COMMAND
from workflows.web.strategy_pages import done_or_shown, refuse_clients

ASKED = ("name", "full_name", "ci_command", "api_url")
Act = Callable[[PageRequest, Project], str]


@sensitive_post_parameters("token", "address")
@form_page
def connections(request: PageRequest, key: str) -> HttpResponse:
    """What one project's agents work with outside; its forms connect it and take it away. No secret is ever shown."""
    refuse_clients(request)
    project = find_project(request.actor, key)
    if request.method != "POST":
        return _show(request, project)

    def act() -> str:
        name = request.POST.get("act", "")
        if name not in ACTS:
            raise Invalid("A connection has no such act.", fields={"act": [f"Choose one of {', '.join(ACTS)}."]})
        return ACTS[name](request, project)

    return done_or_shown(request, act, lambda problem: _show(request, project, problem))


def _show(request: PageRequest, project: Project, problem: GuildhallError | None = None) -> HttpResponse:
    context = {
        **_connected(project),
        "project": project,
        "tab": "projects",
        "manages": may(request.actor, "tracker.connect"),
        "connects": may_connect(request.actor),
        "trackers": TrackerKind.choices,
        "problem": problem,
        "sent": request.POST,
    }
    return render(request, "gpu_workers/connections.html", context, status=problem.status if problem else 200)


def _connected(project: Project) -> dict[str, Any]:
    rows = list(project.repositories.order_by("-primary", "name"))
    connected = ForgeConnection.objects.filter(repository__name__in=[row.name for row in rows])
    places = dict(connected.values_list("repository__name", "full_name"))
    return {
        "repositories": [(row, places.get(row.name, "")) for row in rows],
        "tracker": ProjectTracker.objects.filter(project=project.key).first(),
        "database": ProjectDatabase.objects.filter(project=project.key).first(),
    }


def _text(sent: QueryDict, name: str) -> str:
    return sent.get(name, "").strip()


def _connect_tracker(request: PageRequest, project: Project) -> str:
    given = {name: _text(request.POST, name) for name in ("kind", "place", "token", "api_url")}
    made = connect_tracker(actor=request.actor, wish=TrackerWish(project.key, project.repository, **given))
    return f"PM agents of {project.key} work with the issues of {made.place} now."


def _forget_tracker(request: PageRequest, project: Project) -> str:
    row = ProjectTracker.objects.filter(project=project.key).first()
    if row is None:
        raise NotFound(f"{project.key} names no issue tracker.")
    forget_tracker(actor=request.actor, tracker=row)
    return f"{row.place} is taken away. What was imported stays known."


def _connect_database(request: PageRequest, project: Project) -> str:
    made = connect_database(
        actor=request.actor,
        project=project.key,
        address=_text(request.POST, "address"),
        schemas=words(request.POST.get("schemas", "")),
    )
    return f"Agents of {project.key} may read {made.place} now."


def _forget_database(request: PageRequest, project: Project) -> str:
    row = ProjectDatabase.objects.filter(project=project.key).first()
    if row is None:
        raise NotFound(f"{project.key} names no database.")
    forget_database(actor=request.actor, database=row)
    return f"Agents of {project.key} no longer read {row.place}."


ACTS: dict[str, Act] = {
    "connect_tracker": _connect_tracker,
    "forget_tracker": _forget_tracker,
    "connect_database": _connect_database,
    "forget_database": _forget_database,
}


@sensitive_post_parameters("token")
@form_page
def connect_repository(request: PageRequest) -> HttpResponse:
    """The form that connects a repository on GitHub; its answer shows the webhook's secret, this once."""
    refuse_clients(request)
    if not may_connect(request.actor):
        raise Denied("Repositories are connected by admins.")
    if request.method != "POST":
        return _form(request, {"ci_command": CI_COMMAND, "api_url": GITHUB, "requires_checks": "on"})
    sent = {name: _text(request.POST, name) for name in ASKED}
    checks = "requires_checks" in request.POST
    wish = RepositoryWish(**sent, token=_text(request.POST, "token"), requires_checks=checks)
    try:
        made = connect(actor=request.actor, wish=wish)
    except GuildhallError as problem:
        again = {**sent, "requires_checks": "on" if checks else ""}
        return _form(request, again, status=problem.status, problem=problem)
    hook = request.build_absolute_uri(made.hook_path)
    return _form(request, {"ci_command": CI_COMMAND, "api_url": GITHUB, "requires_checks": "on"}, made=made, hook=hook)


def _form(request: PageRequest, sent: dict[str, str], *, status: int = 200, **more: Any) -> HttpResponse:
    context = {"sent": sent, "tab": "projects", **more}
    return render(request, "gpu_workers/connect_repository.html", context, status=status)


def connections_panel(actor: Actor, key: str) -> dict[str, Any] | None:
    """What the project's page says of its connections; `key` is the project's."""
    if not sees_all(actor):
        return None
    project = find_project(actor, key)
    return {"project": project, **_connected(project)}


def register() -> None:
    """Called once the apps are ready."""
    template = "gpu_workers/_connections_panel.html"
    register_panel(Panel("connections", "project.side", template, 10, connections_panel, "project:{}"))
