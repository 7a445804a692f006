"""What owners do with accounts: letting people in and out of the platform, and making owners. In the platform's scope."""

from django.db.models import Q

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, NotFound
from guildhall.kernel.reasons import checked_reason
from tenants.events import AccountDeactivated, AccountReactivated, OwnerMade, OwnerRemoved
from tenants.models import Session, User


@governed("account.deactivate", lock=None)
def deactivate_account(*, actor: Actor, user: User, reason: str) -> User:
    """Shut a person out everywhere, at once, with `reason` (10 to 300 characters). Memberships stay, without effect.

    Raises `Conflict` for one's own account and for the last owner's.
    """
    why = checked_reason(reason)
    account, owners = _locked(user)
    if not account.is_active:
        raise Conflict(f"{account} is deactivated already.")
    _keep_an_owner(actor, account, owners)
    account.is_active = False
    account.save(update_fields=["is_active"])
    Session.objects.filter(user_id=account.pk).delete()
    record(AccountDeactivated(subject=account.ref, reason=why), actor=actor, reason=why)
    return account


@governed("account.reactivate", lock="user")
def reactivate_account(*, actor: Actor, user: User, reason: str) -> User:
    """Let a deactivated person in again, with `reason`, to what they were a member of."""
    why = checked_reason(reason)
    if user.is_active:
        raise Conflict(f"{user} is not deactivated.")
    user.is_active = True
    user.save(update_fields=["is_active"])
    record(AccountReactivated(subject=user.ref, reason=why), actor=actor, reason=why)
    return user


@governed("account.make_owner", lock="user")
def make_owner(*, actor: Actor, user: User, reason: str) -> User:
    """Make a person an owner of the platform, with `reason`."""
    why = checked_reason(reason)
    if user.is_owner:
        raise Conflict(f"{user} is an owner already.")
    if not user.is_active:
        raise Conflict(f"{user} is deactivated; let them in again first.")
    user.is_owner = True
    user.save(update_fields=["is_owner"])
    record(OwnerMade(subject=user.ref, reason=why), actor=actor, reason=why)
    return user


@governed("account.remove_owner", lock=None)
def remove_owner(*, actor: Actor, user: User, reason: str) -> User:
    """Take the console from an owner, at once, with `reason`. Raises `Conflict` for oneself and for the last one."""
    why = checked_reason(reason)
    account, owners = _locked(user)
    if not account.is_owner:
        raise Conflict(f"{account} is not an owner.")
    _keep_an_owner(actor, account, owners)
    account.is_owner = False
    account.save(update_fields=["is_owner"])
    Session.objects.filter(user_id=account.pk).delete()
    record(OwnerRemoved(subject=account.ref, reason=why), actor=actor, reason=why)
    return account


def _locked(user: User) -> tuple[User, list[User]]:
    """The account and all active owners, held in one order: two owners that remove each other take turns."""
    rows = list(
        User.objects.select_for_update().filter(Q(pk=user.pk) | Q(is_owner=True, is_active=True)).order_by("pk")
    )
    account = next((row for row in rows if row.pk == user.pk), None)
    if account is None:
        raise NotFound("This account does not exist any more.")
    return account, [row for row in rows if row.is_owner and row.is_active]


def _keep_an_owner(actor: Actor, account: User, owners: list[User]) -> None:
    if account.public_id == actor.id:
        raise Conflict("This is your own account; another owner has to do this.")
    if [owner.pk for owner in owners] == [account.pk]:
        raise Conflict("This is the last owner; make somebody else an owner first.")
