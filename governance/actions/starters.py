"""Whose limits work counts for that was begun through an API key.

Called in the transaction of the act that begins it, and recorded with that act; so these are no actions of their own.
"""

from governance.models import Starter
from guildhall.kernel.actor import Actor


def note_starter(*, actor: Actor, subject: str, anew: bool = False) -> None:
    """What `subject` leads to counts for the key that `actor` came with, unless another key had begun it.

    With `anew` it begins here, whatever was before: without a key it counts for none.
    """
    if anew:
        Starter.objects.filter(subject=subject).delete()
    if actor.key:
        Starter.objects.bulk_create([Starter(subject=subject, api_key=actor.key)], ignore_conflicts=True)


def pass_starter_on(*, of: str, to: str) -> None:
    """What a schedule writes counts for the key that set the schedule."""
    keys = Starter.objects.filter(subject=of).values_list("api_key", flat=True)
    Starter.objects.bulk_create([Starter(subject=to, api_key=key) for key in keys], ignore_conflicts=True)
