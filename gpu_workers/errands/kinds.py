"""What every kind of errand says of itself."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from gpu_workers.forges import Forge
from gpu_workers.forges.choosing import connection_of, forge_of
from gpu_workers.forges.vault import Opening, mark_of
from gpu_workers.models import Errand, Repository
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection

MAX_DEATHS = 10
"""Of workers without a word in a row, until whatever they were at is given up."""


class CarryOut(Protocol):
    """Do it. Safe to repeat after a crash at any point; raises `Unavailable` and its like where its forge is away.

    `fence` is the lane's: whoever lost that does not say that it came to nothing.
    """

    def __call__(self, actor: Actor, errand: Errand, fence: int) -> None: ...


class GiveUp(Protocol):
    """Say for people that it came to nothing, and why; "" where that is its end.

    Else why it is not over: it is carried out again, seldom, and then only looks for its end.
    """

    def __call__(self, actor: Actor, errand: Errand, fence: int, reason: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """How errands of a kind are carried out and given up.

    A forge that is away is waited for as long as `patience`, and asked ever more seldom, every `longest_rest_s` in the end.
    """

    carry_out: CarryOut
    give_up: GiveUp
    patience: timedelta
    patience_said: str
    longest_rest_s: float = 600.0


def forge_for(errand: Errand, actor: Actor, repository: Repository, purpose: str) -> Forge:
    """The repository's forge. However often it is tried, one row of the trail tells that its token was opened for that.

    The database connection is given back, as `forge_of` does.
    """
    connection = connection_of(repository.name)
    forge = forge_of(repository, Opening(actor, purpose, noted=errand.opened))
    if connection is not None and (mark := mark_of(connection.token)) != errand.opened:
        errand.opened = mark
        Errand.objects.filter(pk=errand.pk).update(opened=mark)
        release_connection()
    return forge
