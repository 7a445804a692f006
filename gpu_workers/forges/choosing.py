"""The forge of a repository of the current tenant."""

from __future__ import annotations

from django.conf import settings

from gpu_workers.folders import repository_folder
from gpu_workers.forges.builtin import BuiltIn
from gpu_workers.forges.github import GitHub
from gpu_workers.forges.kept import kept_remarks
from gpu_workers.forges.protocol import Forge
from gpu_workers.forges.remote import Remote
from gpu_workers.forges.rest import Api
from gpu_workers.forges.vault import Opening, opened
from gpu_workers.models import ChangeRequest, ForgeConnection, PullRequest, Repository
from guildhall.kernel.tenancy import release_connection

KEPT = "forge token"


def forge_of(repository: Repository, opening: Opening) -> Forge:
    """Where `repository` is kept. Its token is opened, which is recorded as `opening` says.

    The database connection is given back: what comes next takes its time.
    """
    connection = connection_of(repository.name)
    folder = repository_folder(repository.name)
    if connection is None:
        release_connection()
        return BuiltIn(folder, repository.default_branch, kept_remarks)
    about = token_of(repository.name)
    token = opened(connection.token, about, subject=repository.ref, what=KEPT, opening=opening)
    release_connection()
    loopback = bool(settings.FORGE_LOOPBACK)
    return GitHub(
        Api(connection.api_url, token, loopback=loopback),
        Remote(folder, connection.clone_url, token, loopback=loopback),
        folder,
        connection.full_name,
        repository.default_branch,
        requires_checks=connection.requires_checks,
    )


def connection_of(repository: str) -> ForgeConnection | None:
    """How the repository with this name is reached; None for a built-in one."""
    return ForgeConnection.objects.filter(repository__name=repository).first()


def pull_request_of(change: ChangeRequest) -> PullRequest | None:
    """The pull request that stands for a change; None for a built-in repository's."""
    return PullRequest.objects.filter(change=change).first()


def token_of(repository: str) -> str:
    """What a repository's token is sealed for."""
    return f"forge token {repository}"


def hook_of(repository: str) -> str:
    """What a repository's webhook secret is sealed for."""
    return f"forge hook {repository}"
