"""What becomes of a repository's connection with GitHub: a new token or webhook secret, how it is judged, its end."""

from gpu_workers.forge_events import (
    ChecksRequired,
    HookSecretRenewed,
    RepositoryDisconnected,
    RepositoryTokenRenewed,
)
from gpu_workers.models import ChangeRequest, ForgeConnection, HandIn, Run
from gpu_workers.models.change import ChangeState
from gpu_workers.models.hand_in import HandInState
from gpu_workers.models.run import OPEN
from gpu_workers.selectors import reverts_under_way
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict

NAMED = 5
"""Of each kind, so many are named where a connection cannot be ended yet."""

FIRST = "Merge what is open or drop its stories first; a revert ends by itself."


@governed("repository.renew_token", lock="connection")
def keep_token(*, actor: Actor, connection: ForgeConnection, token: str) -> ForgeConnection:
    """Use another token from now on; it was tried, and is sealed already. The old one is gone."""
    connection.token = token
    connection.save(update_fields=["token"])
    event = RepositoryTokenRenewed(subject=connection.ref, name=connection.repository.name)
    record(event, actor=actor)
    return connection


@governed("repository.renew_hook", lock="connection")
def keep_hook_secret(*, actor: Actor, connection: ForgeConnection, hook_secret: str) -> ForgeConnection:
    """Believe webhooks that are signed with another secret, sealed already; the old one opens nothing any more."""
    connection.hook_secret = hook_secret
    connection.save(update_fields=["hook_secret"])
    record(HookSecretRenewed(subject=connection.ref, name=connection.repository.name), actor=actor)
    return connection


@governed("repository.require_checks", lock="connection")
def require_checks(*, actor: Actor, connection: ForgeConnection, required: bool) -> ForgeConnection:
    """Wait for GitHub's checks where none is seen yet, or let a commit without any be judged here alone."""
    before, connection.requires_checks = connection.requires_checks, required
    connection.save(update_fields=["requires_checks"])
    event = ChecksRequired(subject=connection.ref, name=connection.repository.name, required=required)
    record(event, actor=actor, before={"requires_checks": before}, after={"requires_checks": required})
    return connection


@governed("repository.disconnect", lock="connection")
def disconnect(*, actor: Actor, connection: ForgeConnection) -> None:
    """End a connection: token and secret are gone, and the repository goes on here, built in, from what was fetched last.

    Raises `Conflict` while anything is under way in it: a change that was approved for GitHub is merged nowhere else.
    """
    name = connection.repository.name
    if under_way := _under_way(name):
        said = f"{', '.join(under_way)} would be left without GitHub. {FIRST}"
        raise Conflict(f"{name} stays connected: {said} To shut GitHub out at once, withdraw the token there.")
    event = RepositoryDisconnected(subject=connection.ref, name=name, full_name=connection.full_name)
    record(event, actor=actor, before={"api_url": connection.api_url, "full_name": connection.full_name})
    connection.delete()


def _under_way(repository: str) -> list[str]:
    changes = ChangeRequest.objects.filter(repository=repository, state=ChangeState.OPEN).order_by("number")
    runs = Run.objects.filter(repository=repository, state__in=OPEN).order_by("number")
    reverts = reverts_under_way(repository)
    handed_in = HandIn.objects.filter(repository=repository, state=HandInState.WAITING).order_by("pk")
    return [
        *(f"change {number}" for number in changes.values_list("number", flat=True)[:NAMED]),
        *(f"run {number}" for number in runs.values_list("number", flat=True)[:NAMED]),
        *(f"the revert of change {number}" for number in reverts[:NAMED]),
        *(
            f"what was handed in for {task.removeprefix('task:')}"
            for task in handed_in.values_list("task", flat=True)[:NAMED]
        ),
    ]
