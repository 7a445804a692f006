"""Invitations from the outside: the e-mail that carries one, and the steps of accepting it."""

from typing import Any

from django.core.mail import send_mail
from django.http import HttpRequest

from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.operation import current_operation
from guildhall.kernel.tenancy import current_tenant, identity_scope, platform_scope, release_connection
from tenants.actions.members import accept_invitation
from tenants.actions.sign_in import create_account
from tenants.models import Invitation, User
from tenants.selectors import open_invitation
from tenants.web.door import account_actor, prove_account


def has_account(invitation: Invitation) -> bool:
    """Whether the invited address belongs to an account already. Only whoever holds the link is told."""
    with identity_scope():
        return User.objects.filter(email=invitation.email).exists()


def join(request: HttpRequest, token: str, *, name: str, password: str) -> User:
    """Accept the invitation behind `token` as the owner of its address, with an old account's password or a new account.

    Raises `NotFound` for a used or expired link, `Unauthenticated`, `RateLimited`, `Invalid` or `Conflict`.
    """
    invitation = open_invitation(token)
    if has_account(invitation):
        user = prove_account(request, invitation.email, password)
    else:
        guest = Actor(
            kind=ActorKind.PERSON,
            id=f"invited-{invitation.pk}",
            name=name.strip()[:120],
            tenant=PLATFORM,
            via="invitation",
            address=current_operation().address,
        )
        with platform_scope():
            user = create_account(actor=guest, email=invitation.email, name=name, password=password)
    actor = account_actor(user, tenant=current_tenant())
    accept_invitation(actor=actor, invitation=invitation, user_id=user.pk)
    return user


def post_invitation(request: Any, invitation: Invitation, token: str, *, sender: str) -> None:
    """Mail the link, after the invitation was committed and with no connection held."""
    organisation, link = request.tenant.name, request.build_absolute_uri(f"/invitations/{token}/")
    release_connection()
    send_mail(
        f"{sender} invites you to {organisation} on Guildhall",
        f"{sender} invites you to join {organisation} as {', '.join(invitation.roles).replace('_', ' ')}.\n\n"
        f"Open this link within seven days; it works once:\n{link}\n",
        None,
        [invitation.email],
    )
