"""Pages of projects, under the settings: opening one, its name, client and environments, its repositories."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from guildhall.evidence.selectors import trail
from guildhall.kernel.errors import Denied, GuildhallError
from guildhall.portal.activity import entries
from guildhall.portal.registry import panels_for
from guildhall.portal.views import PageRequest, form_page, page
from workflows import actions
from workflows.actions.projects import MOST_REPOSITORIES, REPOSITORY_NAMES
from workflows.ci_limits import LIMITS, Limit
from workflows.models import Project, ProjectRepository
from workflows.policies import may_write
from workflows.selectors import find_project, tree
from workflows.web.plan_form import Field, Form, Sent, lines, may_open, serve, whole
from workflows.web.strategy_pages import Act, act_of, done_or_shown, refuse_clients

PROJECTS = ("Projects", "/settings/projects/")
CI_COMMAND = "python -m unittest"
BRANCH = "main"
SHOWN_ENTRIES = 15


@page
def projects(request: PageRequest) -> HttpResponse:
    """All projects with what they consist of."""
    refuse_clients(request)
    rows = tree.projects_visible_to(request.actor)
    context = {"rows": list(rows), "opens": may_open(request.actor), "tab": "projects"}
    return render(request, "workflows/projects.html", context)


@form_page
def new_project(request: PageRequest) -> HttpResponse:
    """Open a project with a built-in repository."""
    refuse_clients(request)
    if not may_open(request.actor):
        raise Denied("Projects are opened by admins and product owners.")

    def act(sent: Sent) -> tuple[str, str]:
        key = sent["key"].strip().upper()
        made = actions.create_project(
            actor=request.actor,
            key=key,
            name=sent["name"],
            repository=sent["repository"].strip() or key.lower(),
            ci_command=sent["ci_command"],
            default_branch=sent["default_branch"].strip() or BRANCH,
            client=sent["client"],
        )
        said = f"{made.name} is open and its repository is being made. Write its first story next."
        return said, reverse("settings-project", args=[made.key])

    form = Form(
        heading="New project",
        sub="A project holds stories and the repositories that they change.",
        save="Open the project",
        back=PROJECTS[1],
        crumbs=(("Settings", "/settings/"), PROJECTS),
        fields=(
            Field("name", "Name", required=True, limit=120),
            Field(
                "key",
                "Key",
                hint="Begins every reference, such as SHOP in SHOP-142. It stays.",
                required=True,
                limit=10,
            ),
            Field("ci_command", "How CI is run", hint="Run in a sandbox for every change.", required=True, limit=400),
            Field(
                "repository",
                "Repository",
                hint=f"Made empty, by the key’s name if you give none, unless there is one. {REPOSITORY_NAMES}",
                limit=60,
                aside=True,
            ),
            Field("default_branch", "Branch that changes are merged into", limit=60, aside=True),
            Field(
                "client", "Client", hint="Whose members with the role client see what is shared.", limit=120, aside=True
            ),
        ),
        act=act,
        initial={"ci_command": CI_COMMAND, "default_branch": BRANCH},
    )
    return serve(request, form)


@form_page
def project(request: PageRequest, key: str) -> HttpResponse:
    """One project: what it is called and for whom, its environments, and its repositories."""
    refuse_clients(request)
    row = find_project(request.actor, key)
    if request.method != "POST":
        return _show(request, row)
    return done_or_shown(
        request,
        lambda: act_of(request, ACTS, row, "A project"),
        lambda problem: _show(request, find_project(request.actor, key), problem),
    )


def _show(request: PageRequest, row: Project, problem: GuildhallError | None = None) -> HttpResponse:
    repositories = list(row.repositories.order_by("-primary", "name"))
    shared = tree.sharing(row)
    context = {
        "row": row,
        "tab": "projects",
        "environments": "\n".join(row.environments),
        "repositories": [(one, _limits(request, one), shared.get(one.name)) for one in repositories],
        "side": panels_for("project.side", request.actor, row.key),
        "room": len(repositories) < MOST_REPOSITORIES,
        "writes": may_open(request.actor),
        "writes_stories": may_write(request.actor),
        "entries": entries(trail([row.ref], SHOWN_ENTRIES)),
        "ci": CI_COMMAND,
        "problem": problem,
        "sent": request.POST,
    }
    return render(request, "workflows/project.html", context, status=problem.status if problem else 200)


def _limits(request: PageRequest, row: ProjectRepository) -> list[tuple[Limit, str]]:
    """What CI of a repository may take, each as it was sent for this one, or as it stands; "" for the installation's."""
    sent = request.POST if request.POST.get("repository") == row.name else {}
    return [(limit, str(sent.get(f"ci_{limit.name}", row.ci_limits.get(limit.name, "")))) for limit in LIMITS]


def _text(request: PageRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\r\n", "\n").strip()


def _version(request: PageRequest) -> int | None:
    return whole(_text(request, "version"), "version")


def _edit(request: PageRequest, row: Project) -> str:
    change: Any = {name: _text(request, name) for name in ("name", "client")}
    change["hide"] = bool(request.POST.get("hide"))
    change["environments"] = lines(request.POST.get("environments", "").replace("\r\n", "\n"))
    actions.edit_project(actor=request.actor, project=row, change=change, version=_version(request))
    return "The project is changed."


def _add(request: PageRequest, row: Project) -> str:
    given = {name: _text(request, name) for name in ("name", "ci_command", "default_branch")}
    made = actions.add_repository(actor=request.actor, project=row, version=_version(request), **given)
    return f"{made.name} is added and is being made."


def _change(request: PageRequest, row: Project) -> str:
    change: Any = {name: _text(request, name) for name in ("ci_command", "default_branch")}
    name = _text(request, "repository")
    fields = {limit.name: f"ci_{limit.name}" for limit in LIMITS}
    if any(field in request.POST for field in fields.values()):
        change["ci_limits"] = {limit: whole(_text(request, field), field) for limit, field in fields.items()}
    actions.edit_repository(actor=request.actor, project=row, name=name, change=change, version=_version(request))
    return f"{_text(request, 'repository')} is changed."


def _make_primary(request: PageRequest, row: Project) -> str:
    name = _text(request, "repository")
    primary: Any = {"primary": True}
    actions.edit_repository(actor=request.actor, project=row, name=name, change=primary, version=_version(request))
    return f"New tasks change {name} unless they name another."


def _remove(request: PageRequest, row: Project) -> str:
    name = _text(request, "repository")
    actions.remove_repository(actor=request.actor, project=row, name=name, version=_version(request))
    return f"{name} is no repository of {row.key} any more. Its commits are kept."


ACTS: dict[str, Act[Project]] = {
    "edit": _edit,
    "add": _add,
    "change": _change,
    "make_primary": _make_primary,
    "remove": _remove,
}
