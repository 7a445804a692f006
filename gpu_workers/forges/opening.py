"""Opening the pull request of a change at its forge: in the trail before it hears of it, and once, whoever asks."""

from collections.abc import Callable
from contextlib import suppress

from gpu_workers.actions.forges import note_pull_request
from gpu_workers.actions.pull_requests import ask_to_open_pull_request
from gpu_workers.forges.choosing import pull_request_of
from gpu_workers.forges.protocol import Forge, PullRequestInfo
from gpu_workers.models import ChangeRequest, PullRequest
from gpu_workers.pull_trail import asked_to_open
from gpu_workers.wording import quoted
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from guildhall.kernel.tenancy import release_connection


def branch_there(change: ChangeRequest) -> str:
    """The branch of the change's pull request, also where one was asked for and nobody kept the answer; "" for none."""
    if asked := asked_to_open(change):
        return asked.branch
    known = pull_request_of(change)
    return known.branch if known else ""


def open_there(actor: Actor, change: ChangeRequest, forge: Forge, branch: str) -> PullRequest:
    """The open pull request of `change` from `branch`, opened where there is none, and kept."""
    title, text, about_to = change.title, _told_there(change), asking(actor, change, branch)
    release_connection()
    return noted(actor, change, branch, forge.propose(branch, title, text, about_to))


def asking(actor: Actor, change: ChangeRequest, branch: str) -> Callable[[], None]:
    """What a forge calls before it is asked to open one from `branch`; however often, it is in the trail once."""

    def ask() -> None:
        with suppress(Conflict):
            ask_to_open_pull_request(actor=actor, change=change, branch=branch)
        release_connection()

    return ask


def noted(actor: Actor, change: ChangeRequest, branch: str, found: PullRequestInfo) -> PullRequest:
    """Keep what was found there, which somebody else may have done first."""
    with suppress(Conflict):
        note_pull_request(actor=actor, change=change, number=found.number, branch=branch, url=found.url)
    return PullRequest.objects.get(change=change)


def _told_there(change: ChangeRequest) -> str:
    """What the pull request of `change` says."""
    text = f"{change.task}, change {change.number}. Merged from Guildhall once it is approved there."
    return f"{text}\n\nIn its author's words:\n\n{quoted(change.description)}" if change.description else text
