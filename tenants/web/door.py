"""The steps of coming in, shared by the sign-in page, the API and invitations."""

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest

from guildhall.kernel.actor import PLATFORM, Actor, ActorKind, system_actor
from guildhall.kernel.errors import RateLimited, Unauthenticated
from guildhall.kernel.operation import current_operation
from guildhall.kernel.tenancy import current_scope_name, identity_scope, platform_scope, tenant_scope
from tenants.actions.second_factor import note_key_read
from tenants.actions.sessions import end_all_sessions
from tenants.actions.sign_in import record_lock_out, record_sign_in, record_sign_out
from tenants.auth import second_factor
from tenants.auth.lockout import forget_failures
from tenants.auth.members import Member, member_by_pk, owner_actor
from tenants.models import Membership, User

BACKEND = "tenants.auth.backend.MemberBackend"
LOCKED_SECONDS = 900
WRONG = "This e-mail and password do not open this organisation. Check both, or ask your admin for an invitation."
LOCKED = "Too many failed sign-ins. Wait 15 minutes and try again."


def prove_password(request: HttpRequest, email: str, password: str) -> User:
    """The person with this password who may enter here, before any second factor.

    Raises `Unauthenticated`, the same for every reason, or `RateLimited` after repeated failures.
    """
    user = authenticate(request, username=email.strip().lower(), password=password)
    if isinstance(user, User):
        return user
    if getattr(request, "axes_locked_out", False):
        failures = getattr(request, "axes_failures_since_start", None)
        if failures is not None:  # the failure that closed the door; later ones are only refused
            tenant = current_scope_name() or PLATFORM
            record_lock_out(actor=system_actor("sign-in", tenant), failures=failures)
        raise RateLimited(LOCKED, retry_after=LOCKED_SECONDS)
    raise Unauthenticated(WRONG)


def prove_account(request: HttpRequest, email: str, password: str) -> User:
    """The person with this password, member here or not: for somebody who is about to join.

    Raises `Unauthenticated` or `RateLimited`; failures count towards the same lock-out.
    """
    user = authenticate(request, username=email.strip().lower(), password=password, joining=True)
    if isinstance(user, User):
        forget_failures(request, user)
        return user
    if getattr(request, "axes_locked_out", False):
        raise RateLimited(LOCKED, retry_after=LOCKED_SECONDS)
    raise Unauthenticated("This is not the password of the account with this address.")


def prove_factor(user: User, code: str) -> str:
    """Use up a code of the person's second factor; returns `totp` or `recovery`. A wrong one is written down.

    Raises `Unauthenticated` and `RateLimited`.
    """
    try:
        return second_factor.verify(user.pk, code)
    except Unauthenticated:
        with platform_scope():
            note_key_read(actor=account_actor(user), user=user, purpose="a code was compared with it and was wrong")
        raise


def actor_here(user: User, via: str) -> Actor:
    """`user` as an actor on the current host. Raises `Unauthenticated` when they left a moment ago."""
    if current_scope_name() == PLATFORM:
        return owner_actor(user, via=via)
    return member_here(user, via).actor


def member_here(user: User, via: str) -> Member:
    """`user` as a member of the current tenant. Raises `Unauthenticated` when they left a moment ago."""
    member = member_by_pk(user.pk, via=via)
    if member is None:
        raise Unauthenticated(WRONG)
    return member


def open_session(request: HttpRequest, user: User, *, second_factor: str, keep_seconds: int | None = None) -> None:
    """Start a session under a new key. `keep_seconds` None is the ordinary lifetime."""
    actor = actor_here(user, "session")
    request.session.flush()
    login(request, user, backend=BACKEND)
    if keep_seconds is not None:
        request.session.set_expiry(keep_seconds)
    door = "console" if actor.tenant == PLATFORM else "portal"
    record_sign_in(actor=actor, door=door, second_factor=second_factor)


def close_session(request: HttpRequest, actor: Actor) -> None:
    """End the browser's session, for good: its row is deleted."""
    logout(request)
    record_sign_out(actor=actor)


def load_user(user_id: int) -> User:
    """The account behind a signed-in person, for what only its owner may do with it."""
    with identity_scope():
        return User.objects.get(pk=user_id)


def account_actor(user: User, *, tenant: str = PLATFORM) -> Actor:
    """A person acting on their own account, which is the platform's, or joining `tenant`; without any role."""
    return Actor(
        kind=ActorKind.PERSON,
        id=user.public_id,
        name=user.name,
        tenant=tenant,
        via="session",
        address=current_operation().address,
    )


def sign_out_everywhere(user: User) -> None:
    """End every sign-in and token of `user` in every tenant and on the platform, recorded in each."""
    with identity_scope():
        schemas = list(Membership.objects.filter(user_id=user.pk).values_list("tenant__schema_name", flat=True))
    for schema in schemas:
        with tenant_scope(schema):
            member = member_by_pk(user.pk)
            if member is not None:
                end_all_sessions(actor=member.actor, user_id=user.pk)
    with platform_scope():
        end_all_sessions(actor=account_actor(user), user_id=user.pk)
