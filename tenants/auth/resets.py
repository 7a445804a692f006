"""Links that set a new password: who gets one, and whose a link is."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from guildhall.kernel.errors import NotFound
from guildhall.kernel.tenancy import current_scope_name, identity_scope
from tenants.auth.backend import may_enter
from tenants.models import PasswordReset, User
from tenants.selectors import digest

LIFETIME = timedelta(hours=1)
AN_HOUR = timedelta(hours=1)
MOST_AN_HOUR = 3
LINK_GONE = "This link was used, has expired or was never sent. Ask for a new one."


def make_link(email: str) -> str | None:
    """A new link's secret for the account with this address, None when nobody gets one.

    That is an address without an account that may enter the current host, or one that got enough within the hour.
    """
    host, now = current_scope_name(), timezone.now()
    with identity_scope(), transaction.atomic():
        user = User.objects.select_for_update().filter(email=email.strip().lower(), is_active=True).first()
        if user is None or not may_enter(user, host):
            return None
        if PasswordReset.objects.filter(user=user, created_at__gt=now - AN_HOUR).count() >= MOST_AN_HOUR:
            return None
        token = secrets.token_urlsafe(32)
        PasswordReset.objects.create(user=user, token_hash=digest(token), expires_at=now + LIFETIME)
        return token


def account_of_link(token: str) -> User:
    """Whose password the link with this secret may set here and now. Raises `NotFound`, the same for every reason."""
    host = current_scope_name()
    with identity_scope():
        row = (
            PasswordReset.objects.select_related("user")
            .filter(token_hash=digest(token), used_at=None, expires_at__gt=timezone.now(), user__is_active=True)
            .first()
        )
        if row is None or not may_enter(row.user, host):
            raise NotFound(LINK_GONE)
        return row.user
