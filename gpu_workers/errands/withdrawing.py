"""Closing pull requests at a forge: in the trail before it hears of it, once, and whoever dies over it."""

from gpu_workers.actions.pull_requests import ask_to_close_pull_request
from gpu_workers.forges import Forge
from gpu_workers.models import ChangeRequest
from gpu_workers.pull_trail import asked_to_close
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection


def withdrawn(actor: Actor, change: ChangeRequest, forge: Forge, branch: str, fence: int) -> list[int]:
    """Close what is open there from `branch` ("" for nothing); the numbers of what is closed now, for the caller to write down.

    With what a worker asked for that died: it may be closed there, merged meanwhile, or still open.
    """
    asked = asked_to_close(change)

    def asking(number: int) -> None:
        if number != asked:
            ask_to_close_pull_request(actor=actor, change=change, number=number, fence=fence)
            release_connection()

    release_connection()
    closed = [asked] if asked is not None and forge.withdrawn(asked) else []
    if branch and (number := forge.withdraw(branch, asking)) is not None:
        closed.append(number)
    return closed
