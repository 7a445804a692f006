"""The built-in repositories of a project: made where they are missing, kept to the command and branch that projects name."""

from contextlib import suppress

from gpu_workers.actions.registry import create_repository, follow_project, leave_repository
from gpu_workers.folders import repository_folder
from gpu_workers.forges.choosing import connection_of
from gpu_workers.models import Repository
from gpu_workers.repos import GitError, Signature, UnfitBranch, open_branch
from gpu_workers.repos import create_repository as create_folder
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from workflows.models import Project, ProjectRepository

MISSING = (
    "its git folder is not on this installation's disk. Have whoever runs it put that back from a backup, then save the "
    "repository here once more."
)
FOUNDER = Signature("Guildhall", "repositories@guildhall.invalid")


def found_repositories(actor: Actor, project: Project) -> None:
    """Make every repository that `project` names and that is not there yet; carry its command and branch over.

    One that cannot be as the project says is left as it is, which the project's people read, and holds up no other. Done
    again, also after a crash anywhere within, it changes nothing more. Raises GitError, after all of them, for what another
    try may come to.
    """
    trouble: GitError | None = None
    for row in project.repositories.all():
        try:
            _settle(actor, project, row)
        except UnfitBranch as unfit:
            _leave(actor, project, row, str(unfit))
        except GitError as failed:
            trouble = failed
    if trouble is not None:
        raise trouble


def _settle(actor: Actor, project: Project, row: ProjectRepository) -> None:
    known = Repository.objects.filter(name=row.name).first()
    if known is None:
        _found(actor, project, row)
    elif (known.ci_command, known.default_branch) != (row.ci_command, row.default_branch):
        if keys := _of_another_mind(row):
            reason = (
                f"{', '.join(keys)} would have another CI command or branch. Save it anew in one of these projects."
            )
            _leave(actor, project, row, reason)
            return
        folder = repository_folder(known.name)
        if folder.exists():
            open_branch(folder, row.default_branch, known.default_branch)
        elif connection_of(known.name) is None:
            # A copy of what is at a forge comes with whoever needs it next; this is the only one.
            _leave(actor, project, row, MISSING)
            return
        follow_project(actor=actor, repository=known, ci_command=row.ci_command, default_branch=row.default_branch)


def _leave(actor: Actor, project: Project, row: ProjectRepository, reason: str) -> None:
    """Say why a repository is left as it is, once however often that comes out."""
    with suppress(Conflict):
        leave_repository(actor=actor, project=project, name=row.name, reason=reason)


def _of_another_mind(row: ProjectRepository) -> list[str]:
    """The projects that say something else of this repository: none decides it for the others."""
    same = {"ci_command": row.ci_command, "default_branch": row.default_branch}
    others = ProjectRepository.objects.filter(name=row.name).exclude(**same)
    return list(others.order_by("project__key").values_list("project__key", flat=True))


def _found(actor: Actor, project: Project, row: ProjectRepository) -> None:
    """One commit with a README: signed by nobody in particular at the row's own time, so that it is the same each time."""
    folder = repository_folder(row.name)
    readme = f"# {row.name}\n\nA repository of {project.key}.\n"
    sha = create_folder(folder, {"README.md": readme.encode()}, FOUNDER, row.created_at)
    open_branch(folder, row.default_branch, "main")
    try:
        create_repository(
            actor=actor,
            name=row.name,
            ci_command=row.ci_command,
            head_sha=sha,
            default_branch=row.default_branch,
        )
    except Conflict:
        # Another project named it at the same moment; it is there now.
        return
