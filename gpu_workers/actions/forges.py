"""Connected repositories: written down once they work, their pull requests, and what their forge tells."""

from dataclasses import dataclass

from django.db.models.functions import Now

from gpu_workers.forge_events import ForgeHeard, PullRequestOpened, RepositoryConnected
from gpu_workers.models import (
    ChangeRequest,
    Errand,
    ForgeConnection,
    HandIn,
    HookDelivery,
    PullRequest,
    Repository,
    Run,
)
from gpu_workers.models.change import ChangeState
from gpu_workers.models.errand import ErrandKind
from gpu_workers.models.hand_in import HandInState
from gpu_workers.models.run import RunState
from gpu_workers.pull_trail import asked_to_open
from gpu_workers.selectors import unknown_reverts
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict
from workflows.actions.repository_terms import take_turn
from workflows.models import ProjectRepository


@dataclass(frozen=True, slots=True)
class NewConnection:
    """A repository on GitHub that was tried. `token` and `hook_secret` are sealed already."""

    name: str
    ci_command: str
    default_branch: str
    head_sha: str
    api_url: str
    clone_url: str
    full_name: str
    token: str
    hook_key: str
    hook_secret: str
    requires_checks: bool


@governed("repository.connect", lock=None)
def connect_repository(*, actor: Actor, new: NewConnection) -> Repository:
    """Write down a repository that is kept on GitHub. Raises `Conflict` for a name or repository that is known.

    In its turn: what a project says of a repository that it names before it is connected is not taken for it.
    """
    take_turn(new.name)
    if ProjectRepository.objects.filter(name=new.name).exists():
        raise Conflict(f"A project names a repository {new.name!r} already, which is a built-in one.")
    known = f"There is a repository {new.name!r} already, or {new.full_name} is connected."
    with taken_raises(Conflict(known)):
        repository = Repository.objects.create(
            name=new.name, ci_command=new.ci_command, default_branch=new.default_branch
        )
        ForgeConnection.objects.create(
            repository=repository,
            api_url=new.api_url,
            clone_url=new.clone_url,
            full_name=new.full_name,
            token=new.token,
            hook_key=new.hook_key,
            hook_secret=new.hook_secret,
            requires_checks=new.requires_checks,
        )
    event = RepositoryConnected(subject=repository.ref, name=new.name, full_name=new.full_name, head_sha=new.head_sha)
    after = {
        "api_url": new.api_url,
        "full_name": new.full_name,
        "default_branch": new.default_branch,
        "requires_checks": new.requires_checks,
    }
    record(event, actor=actor, after=after)
    return repository


@governed("change.note_pull_request", lock="change")
def note_pull_request(*, actor: Actor, change: ChangeRequest, number: int, branch: str, url: str) -> PullRequest:
    """Keep which pull request stands for a change. Raises `Conflict` where that is known, and no other one was asked for."""
    known = PullRequest.objects.filter(change=change, number=number, branch=branch)
    if known.exists() and asked_to_open(change) is None:
        raise Conflict(f"Pull request #{number} of change {change.number} is known already.")
    row, _ = PullRequest.objects.update_or_create(
        change=change, defaults={"number": number, "branch": branch, "url": url}
    )
    record(PullRequestOpened(subject=change.ref, number=number, branch=branch, url=url), actor=actor)
    return row


def _look_at_reverts(repository: str) -> None:
    """Its forge is back: what may have landed while it was away is looked up now."""
    waiting = Errand.objects.filter(kind=ErrandKind.REVERT, repository=repository, retry_at__isnull=False)
    if waiting.exists():
        waiting.filter(number__in=unknown_reverts(repository)).update(retry_at=Now())


@dataclass(frozen=True, slots=True)
class Heard:
    """One webhook: its id, the SHA-256 of its text, its kind and the commit it is about ("" for none)."""

    delivery: str
    digest: str
    kind: str
    sha: str


@governed("repository.hear", lock="connection")
def hear(*, actor: Actor, connection: ForgeConnection, heard: Heard) -> None:
    """Heed a webhook once: runs, hand-ins and merges that rest until something happens to its commit are due now.

    Raises `Conflict` again. It is told twice when its id or its text is known: the signature covers the text alone.
    """
    with taken_raises(Conflict("This delivery was heeded before.")):
        HookDelivery.objects.create(
            connection=connection, delivery=heard.delivery, digest=heard.digest, kind=heard.kind
        )
    name = connection.repository.name
    if heard.sha:
        resting = Run.objects.filter(state=RunState.RUNNING, lease_until=None, retry_at__isnull=False)
        resting.filter(repository=name, head_sha=heard.sha).update(retry_at=Now())
        handed_in = HandIn.objects.filter(state=HandInState.WAITING, lease_until=None, retry_at__isnull=False)
        handed_in.filter(repository=name, head_sha=heard.sha).update(retry_at=Now())
        if ChangeRequest.objects.filter(state=ChangeState.OPEN, repository=name, head_sha=heard.sha).exists():
            merges = Errand.objects.filter(kind=ErrandKind.MERGE, repository=name, retry_at__isnull=False)
            merges.update(retry_at=Now())
        _look_at_reverts(name)
    event = ForgeHeard(subject=connection.repository.ref, about=heard.kind, sha=heard.sha, delivery=heard.delivery)
    record(event, actor=actor)
