"""Signing in and out, and what a person does with the account that they sign in with.

Entering and leaving is written in the tenant's records. The account itself belongs to the platform, so its actions run in
the platform's scope, in one transaction with their record there.
"""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Invalid, NotFound
from tenants.auth.resets import LINK_GONE
from tenants.events import (
    AccountCreated,
    HandedOn,
    PasswordChanged,
    PasswordWasReset,
    SignedIn,
    SignedOut,
    SignInLocked,
)
from tenants.models import PasswordReset, User
from tenants.selectors import digest


@governed("sign_in.enter", lock=None)
def record_sign_in(*, actor: Actor, door: str, second_factor: str) -> None:
    """Write down that somebody came in by `door` (portal, API, console).

    `second_factor` is totp, recovery, hand_off (what another sign-in of theirs was asked for counts) or none.
    """
    record(SignedIn(subject=actor.ref, door=door, second_factor=second_factor), actor=actor)


@governed("sign_in.leave", lock=None)
def record_sign_out(*, actor: Actor) -> None:
    """Write down that somebody signed out."""
    record(SignedOut(subject=actor.ref), actor=actor)


@governed("sign_in.hand_on", lock=None)
def record_hand_on(*, actor: Actor) -> None:
    """Write down that somebody's sign-in here let them into another organisation of theirs."""
    record(HandedOn(subject=actor.ref), actor=actor)


@governed("sign_in.lock", lock=None)
def record_lock_out(*, actor: Actor, failures: int) -> None:
    """Write down that repeated failures closed the door to one address for one name."""
    record(SignInLocked(subject="door:sign-in", failures=failures), actor=actor)


@governed("account.create", lock=None)
def create_account(*, actor: Actor, email: str, name: str, password: str) -> User:
    """An account for an address that an invitation has proven. Raises `Invalid`, or `Conflict` when it has one."""
    fields: dict[str, list[str]] = {}
    if not name.strip() or len(name.strip()) > 120:
        fields["name"] = ["Give your name, in 1 to 120 characters."]
    fields |= _password_problems(password, User(email=email, name=name))
    if fields:
        raise Invalid("The account's data were not accepted.", fields=fields)
    with taken_raises(Conflict("This address has an account already; use its password.")):
        user = User.objects.create_user(email, name, password)
    record(AccountCreated(subject=user.ref), actor=actor)
    return user


@governed("account.change_password", lock="user")
def change_password(*, actor: Actor, user: User, old: str, new: str) -> User:
    """Set a new password. Raises `Invalid` when the old one is wrong or the new one too weak."""
    if not user.check_password(old):
        raise Invalid("The password was not changed.", fields={"old": ["This is not your password now."]})
    problems = _password_problems(new, user)
    if problems:
        raise Invalid("The password was not changed.", fields={"new": problems["password"]})
    user.set_password(new)
    user.save(update_fields=["password"])
    record(PasswordChanged(subject=user.ref), actor=actor)
    return user


@governed("account.reset_password", lock="user")
def reset_password(*, actor: Actor, user: User, token: str, new: str) -> User:
    """Set a new password with the secret of a link that was sent to the account's address. Uses up all its links.

    Raises `NotFound` for a link that is wrong, used or expired, and `Invalid` for a password that is too weak, which
    leaves the link as it was.
    """
    now = timezone.now()
    links = PasswordReset.objects.select_for_update().filter(user=user, used_at=None, expires_at__gt=now)
    if digest(token) not in {link.token_hash for link in links}:
        raise NotFound(LINK_GONE)
    problems = _password_problems(new, user)
    if problems:
        raise Invalid("The password was not set.", fields={"new": problems["password"]})
    PasswordReset.objects.filter(user=user, used_at=None).update(used_at=now)
    user.set_password(new)
    user.save(update_fields=["password"])
    record(PasswordWasReset(subject=user.ref), actor=actor)
    return user


def _password_problems(password: str, user: User) -> dict[str, list[str]]:
    try:
        validate_password(password, user)
    except ValidationError as error:
        return {"password": list(error.messages)}
    return {}
