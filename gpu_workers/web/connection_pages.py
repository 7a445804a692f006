"""Pages of what agents work with outside: repositories on GitHub, a project's issue tracker, its database, its cluster."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters

from gpu_workers.actions.connections import disconnect
from gpu_workers.clusters.connecting import manager_of
from gpu_workers.connections import named
from gpu_workers.forges.connecting import GITHUB, connect, hook_path, renew_hook_secret, renew_token, say_checks
from gpu_workers.forges.connecting import Wish as RepositoryWish
from gpu_workers.models import ForgeConnection, ProjectCluster, ProjectDatabase, ProjectMigrator, ProjectTracker
from gpu_workers.models.tracker import TrackerKind
from gpu_workers.policies import may, may_connect
from gpu_workers.selectors import connection_for
from gpu_workers.web.connection_forms import CLUSTER, DATABASE, MIGRATOR, TRACKER, acts_of, text
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied, GuildhallError, NotFound
from guildhall.portal.registry import Panel, register_panel
from guildhall.portal.views import PageRequest, form_page
from workflows.models import Project
from workflows.policies import sees_all
from workflows.selectors.lists import find_project
from workflows.web.project_pages import CI_COMMAND
from workflows.web.strategy_pages import Act, act_of, done_or_shown, refuse_clients

ASKED = ("name", "full_name", "ci_command", "api_url")


@sensitive_post_parameters("token", "address")
@form_page
def connections(request: PageRequest, key: str) -> HttpResponse:
    """What one project's agents work with outside; its forms connect it and take it away. No secret is ever shown."""
    refuse_clients(request)
    project = find_project(request.actor, key)
    if request.method != "POST":
        return _show(request, project)
    if request.POST.get("act") == "renew_hook":
        return _renewed_hook(request, project)
    return done_or_shown(
        request,
        lambda: act_of(request, ACTS, project, "A connection"),
        lambda problem: _show(request, project, problem),
    )


def _show(request: PageRequest, project: Project, problem: GuildhallError | None = None, **more: Any) -> HttpResponse:
    context = {
        **_connected(project),
        "project": project,
        "tab": "projects",
        "manages": may(request.actor, "tracker.connect"),
        "connects": may_connect(request.actor),
        "trackers": TrackerKind.choices,
        "problem": problem,
        "sent": request.POST,
        **more,
    }
    return render(request, "gpu_workers/connections.html", context, status=problem.status if problem else 200)


def _connected(project: Project) -> dict[str, Any]:
    rows = list(project.repositories.order_by("-primary", "name"))
    connected = ForgeConnection.objects.filter(repository__name__in=[row.name for row in rows])
    places = {one.repository.name: one for one in connected.select_related("repository")}
    return {
        "repositories": [(row, places.get(row.name)) for row in rows],
        "tracker": named(ProjectTracker, project.key),
        "database": named(ProjectDatabase, project.key),
        "migrator": named(ProjectMigrator, project.key),
        "cluster": named(ProjectCluster, project.key),
        "manager": manager_of(project.key),
    }


def _connection(request: PageRequest, project: Project) -> ForgeConnection:
    """The one that the form is about, of the project's own repositories. Raises `NotFound`."""
    name = request.POST.get("repository", "")
    if not project.repositories.filter(name=name).exists():
        raise NotFound(f"{project.key} has no such repository.")
    return connection_for(request.actor, name)


def _renew_token(request: PageRequest, project: Project) -> str:
    row = _connection(request, project)
    renew_token(actor=request.actor, connection=row, token=text(request.POST, "token"))
    return f"{row.repository.name} is reached with the new token now."


def _require_checks(request: PageRequest, project: Project) -> str:
    row = _connection(request, project)
    required = "requires_checks" in request.POST
    say_checks(actor=request.actor, connection=row, required=required)
    return f"{row.repository.name} {'waits for GitHub’s checks' if required else 'is judged here where GitHub has no checks'}."


def _disconnect(request: PageRequest, project: Project) -> str:
    row = _connection(request, project)
    disconnect(actor=request.actor, connection=row)
    return f"{row.repository.name} is built in from now on. GitHub keeps what it has."


def _renewed_hook(request: PageRequest, project: Project) -> HttpResponse:
    """The page with the new secret, this once."""
    try:
        row = _connection(request, project)
        secret = renew_hook_secret(actor=request.actor, connection=row)
    except NotFound:
        raise
    except GuildhallError as problem:
        return _show(request, project, problem)
    return _show(request, project, renewed=(row, request.build_absolute_uri(hook_path(row.hook_key)), secret))


ACTS: dict[str, Act[Project]] = {
    **acts_of(TRACKER),
    "renew_token": _renew_token,
    "require_checks": _require_checks,
    "disconnect": _disconnect,
    **acts_of(DATABASE),
    **acts_of(MIGRATOR),
    **acts_of(CLUSTER),
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
    sent = {name: text(request.POST, name) for name in ASKED}
    checks = "requires_checks" in request.POST
    wish = RepositoryWish(**sent, token=text(request.POST, "token"), requires_checks=checks)
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
