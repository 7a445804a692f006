"""Repositories of a tenant."""

from django.db.models import Q

from gpu_workers.events import RepositoryCreated, RepositoryEdited, RepositoryLeft
from gpu_workers.models import Repository
from gpu_workers.repos.git import checked_default
from guildhall.evidence.selectors import TrailFilter, search_trail
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict
from workflows.models import Project


@governed("repository.create", lock=None)
def create_repository(
    *, actor: Actor, name: str, ci_command: str, head_sha: str, default_branch: str = "main"
) -> Repository:
    """Write down a built-in repository whose git folder exists with `head_sha` on its default branch. Raises UnfitBranch."""
    checked_default(default_branch)
    with taken_raises(Conflict(f"There is a repository {name!r} already.")):
        repository = Repository.objects.create(name=name, ci_command=ci_command, default_branch=default_branch)
    record(RepositoryCreated(subject=repository.ref, name=name, head_sha=head_sha), actor=actor)
    return repository


@governed("repository.follow", lock="repository")
def follow_project(*, actor: Actor, repository: Repository, ci_command: str, default_branch: str) -> Repository:
    """Take over the command and the branch that the repository's projects say now; the branch exists in git.

    Raises UnfitBranch.
    """
    checked_default(default_branch)
    before = {"ci_command": repository.ci_command, "default_branch": repository.default_branch}
    repository.ci_command, repository.default_branch = ci_command, default_branch
    repository.save(update_fields=["ci_command", "default_branch"])
    after = {"ci_command": ci_command, "default_branch": default_branch}
    changed = [name for name, value in after.items() if value != before[name]]
    event = RepositoryEdited(subject=repository.ref, name=repository.name, fields=changed)
    record(event, actor=actor, before=before, after=after)
    return repository


@governed("repository.leave", lock="project")
def leave_repository(*, actor: Actor, project: Project, name: str, reason: str) -> None:
    """Write down, for the people of `project`, why what it says of a repository is not carried over.

    Raises `Conflict` where that is the last they were told of it.
    """
    about = Q(subject=project.ref) | Q(kind=RepositoryEdited.kind)
    last = TrailFilter(
        kinds=(RepositoryLeft.kind, RepositoryEdited.kind),
        outcome="done",
        among=about & Q(payload__body__event__name=name),
    )
    if any(entry["event"].get("reason") == reason for entry in search_trail(last, limit=1)):
        raise Conflict(f"That {name} is left as it is was told.")
    record(RepositoryLeft(subject=project.ref, name=name, reason=reason), actor=actor)
