"""Projects and their repositories."""

import re
from collections.abc import Collection, Sequence
from typing import Any, TypedDict

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Invalid, NotFound
from guildhall.kernel.versions import check_version
from workflows.actions.common import named
from workflows.actions.handing_over import hold_stories, take_from_client
from workflows.actions.plan_common import Problems, keep
from workflows.actions.repository_terms import (
    TERMS,
    carry_over,
    check_terms,
    present_branch,
    refuse_naming,
    refuse_other_terms,
    take_turn,
)
from workflows.ci_limits import said, wrong_with
from workflows.events import ProjectCreated
from workflows.models import Project, ProjectRepository, Task
from workflows.models.tree import ENVIRONMENTS
from workflows.plan_events import ProjectEdited

_KEY = re.compile(r"[A-Z][A-Z0-9]{1,9}\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}\Z")
REPOSITORY_NAMES = "Use small letters, digits, dots and hyphens, at most 60."
MOST_ENVIRONMENTS = 10
MOST_REPOSITORIES = 20


class ProjectChange(TypedDict, total=False):
    """What may be changed of a project; `environments` are names in the order of promotion.

    `hide` goes with another `client`: whatever the one before was shown is shown to clients no more.
    """

    name: str
    client: str
    environments: list[str]
    hide: bool


class RepositoryChange(TypedDict, total=False):
    """What may be changed of a project's repository; `primary` true makes it the one that tasks change by default.

    `ci_limits` are all that the project says of them; one that is None or left out is the installation's.
    """

    ci_command: str
    ci_limits: dict[str, int | None]
    default_branch: str
    primary: bool


@governed("project.create", lock=None)
def create_project(
    *,
    actor: Actor,
    key: str,
    name: str,
    repository: str,
    ci_command: str,
    default_branch: str = "main",
    client: str = "",
) -> Project:
    """Open a project with its first repository, which is made when there is none of that name yet.

    Raises `Invalid` with the fields, also for a repository that is known under another command or branch, and `Conflict`
    when the key is taken.
    """
    values: dict[str, Any] = {"name": name, "client": client}
    first: dict[str, Any] = {"ci_command": ci_command, "default_branch": default_branch}
    problems = Problems("The project cannot be opened like this.")
    if not _KEY.match(key):
        problems.add("key", "Use 2 to 10 capital letters and digits, a letter first, such as SHOP.")
    if not _NAME.match(repository):
        problems.add("repository", REPOSITORY_NAMES)
    problems.text(values, "name", 120, required="Give it a name.")
    problems.text(values, "client", 120)
    check_terms(first, problems)
    problems.refuse()
    with taken_raises(Conflict(f"There is a project {key} already.")):
        project = Project.objects.create(key=key, environments=list(ENVIRONMENTS), **values)
        take_turn(repository)
        refuse_other_terms(repository, first, problems)
        problems.refuse()
        ProjectRepository.objects.create(project=project, name=repository, primary=True, **first)
    record(ProjectCreated(subject=project.ref, key=key, name=project.name), actor=actor)
    return project


def edit_project(*, actor: Actor, project: Project, change: ProjectChange, version: int | None = None) -> Project:
    """Change a project's name, client or environments. Raises `Stale` and `Invalid` with the fields.

    Raises `Conflict` for taking it from a client who was shown something in it, unless that is hidden with this.
    """
    act = _hand_over if leaves_client(project, change) else _edit
    return act(actor=actor, project=project, change=change, version=version)


@governed("project.edit", lock="project")
def _edit(*, actor: Actor, project: Project, change: ProjectChange, version: int | None) -> Project:
    check_version(project, version)
    if leaves_client(project, change):
        raise Conflict(f"{project.key} got another client at this moment. Look again.")
    return _changed(project, actor, change)


@governed("project.hand_over", lock=None)
def _hand_over(*, actor: Actor, project: Project, change: ProjectChange, version: int | None) -> Project:
    """Its stories are held before it, in the order in which acts on stories hold both."""
    held = hold_stories(project)
    row = Project.objects.select_for_update(no_key=True).filter(pk=project.pk).first()
    if row is None:
        raise NotFound("There is no such project any more.")
    check_version(row, version)
    return _changed(row, actor, change, held)


def leaves_client(project: Project, change: ProjectChange) -> bool:
    """Whether the change takes a project from the client that it has."""
    wanted = change.get("client", project.client)
    return bool(project.client) and str(wanted).strip() != project.client


def _changed(project: Project, actor: Actor, change: ProjectChange, held: Collection[int] = ()) -> Project:
    values: dict[str, Any] = dict(change)
    hide = values.pop("hide", False)
    problems = Problems("The project cannot be changed like this.")
    problems.text(values, "name", 120, required="Give it a name.")
    problems.text(values, "client", 120)
    if not values:
        problems.add("project", "Say what is to change.")
    if "environments" in values:
        _check_environments(values["environments"], problems)
    problems.refuse()
    hidden: dict[str, Any] = {}
    if project.client and values.get("client", project.client) != project.client:
        hidden = {"hidden": take_from_client(project, actor, hide=hide, held=held)}
    before = named(project, *values)
    for field, value in values.items():
        setattr(project, field, value)
    keep(project, *values)
    event = ProjectEdited(subject=project.ref, project=project.key, fields=sorted(values))
    record(event, actor=actor, before=before, after={**named(project, *values), **hidden})
    return project


def _check_environments(names: Sequence[str], problems: Problems) -> None:
    if len(names) > MOST_ENVIRONMENTS:
        problems.add("environments", f"At most {MOST_ENVIRONMENTS}.")
    if len(set(names)) != len(names):
        problems.add("environments", "Name each once.")
    strange = [name for name in names if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name)]
    if strange:
        problems.add("environments", "Use small letters, digits and hyphens, a letter first, at most 40.")


@governed("project.add_repository", lock="project")
def add_repository(
    *,
    actor: Actor,
    project: Project,
    name: str,
    ci_command: str,
    default_branch: str = "main",
    version: int | None = None,
) -> ProjectRepository:
    """Add a repository beside the primary one. Raises `Invalid` with the fields, `Conflict` when it is there, `Stale`.

    One that is known under another command or branch is `Invalid` too. `version`, here and below, is the project's.
    """
    check_version(project, version)
    values: dict[str, Any] = {"ci_command": ci_command, "default_branch": default_branch}
    problems = Problems("The repository cannot be added like this.")
    if not _NAME.match(name):
        problems.add("name", REPOSITORY_NAMES)
    check_terms(values, problems)
    problems.refuse()
    known = list(project.repositories.values_list("name", flat=True))
    if name in known:
        raise Conflict(f"{name} is a repository of {project.key} already.")
    if len(known) >= MOST_REPOSITORIES:
        raise Conflict(f"A project has at most {MOST_REPOSITORIES} repositories.")
    take_turn(name)
    refuse_other_terms(name, values, problems)
    problems.refuse()
    row = ProjectRepository.objects.create(project=project, name=name, **values)
    keep(project)
    event = ProjectEdited(subject=project.ref, project=project.key, fields=["repositories"])
    record(event, actor=actor, after=named(row, "name", *values))
    return row


@governed("project.edit_repository", lock="project")
def edit_repository(
    *, actor: Actor, project: Project, name: str, change: RepositoryChange, version: int | None = None
) -> ProjectRepository:
    """Change a repository's command, what that may take, or its branch, or make it the primary one.

    Its command and branch change in every project that names it: there is one CI and one place to merge into.

    Raises `Invalid` with the fields, `Stale`, and `Denied` for a branch that is not this actor's to name.
    """
    check_version(project, version)
    row = _repository(project, name)
    values: dict[str, Any] = dict(change)
    refuse_naming(actor, row, values)
    problems = Problems("The repository cannot be changed like this.")
    check_terms(values, problems, present_branch(row))
    if "ci_limits" in values:
        for problem in wrong_with(values["ci_limits"]).values():
            problems.add("ci_limits", problem)
        values["ci_limits"] = said(values["ci_limits"])
    if not values:
        problems.add("repository", "Say what is to change.")
    if values.pop("primary", None) is False and row.primary:
        problems.add("primary", "Make another one the primary repository instead.")
    problems.refuse()
    before = named(row, "ci_command", "ci_limits", "default_branch", "primary")
    if change.get("primary"):
        project.repositories.update(primary=False)
        row.primary = True
    for field, value in values.items():
        setattr(row, field, value)
    row.save(update_fields=["primary", *values])
    keep(project)
    event = ProjectEdited(subject=project.ref, project=project.key, fields=["repositories"])
    record(event, actor=actor, before=before, after=named(row, *before))
    if not values.keys().isdisjoint(TERMS):
        take_turn(name)
        carry_over(actor, row)
    return row


@governed("project.remove_repository", lock="project")
def remove_repository(*, actor: Actor, project: Project, name: str, version: int | None = None) -> Project:
    """Take a repository out of the project. Raises `Conflict` for the primary one and for one that tasks name, `Stale`."""
    check_version(project, version)
    row = _repository(project, name)
    if row.primary:
        raise Conflict("This is the primary repository; make another one primary first.")
    if Task.objects.filter(repository=row).exists():
        raise Conflict(f"Tasks change {name}; it stays.")
    before = named(row, "name", "ci_command", "default_branch")
    row.delete()
    keep(project)
    event = ProjectEdited(subject=project.ref, project=project.key, fields=["repositories"])
    record(event, actor=actor, before=before)
    return project


def _repository(project: Project, name: str) -> ProjectRepository:
    row = project.repositories.filter(name=name).first()
    if row is None:
        raise Invalid(f"{project.key} has no repository {name[:60]}.", fields={"repository": ["Choose one it has."]})
    return row
