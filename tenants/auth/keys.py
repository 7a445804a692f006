"""API keys: `gh_` and 43 characters, of which only the SHA-256 is kept."""

import secrets
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from tenants.auth.members import Member, member_by_pk
from tenants.models import ApiKey
from tenants.policies import role_scopes
from tenants.selectors import digest

KEY_MARK = "gh_"
USED_EVERY = timedelta(minutes=1)


def new_secret() -> str:
    """A new key, 256 random bits."""
    return KEY_MARK + secrets.token_urlsafe(32)


def prefix_of(secret: str) -> str:
    """What lists show of a key, to tell it from others (12 characters)."""
    return secret[:12]


def member_of_key(secret: str) -> Member | None:
    """The member acting with this key in the current tenant; None when the key is not valid here and now.

    Its scopes are the key's, less what its holder's roles no longer cover.
    """
    now = timezone.now()
    key = ApiKey.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now), key_hash=digest(secret), revoked_at=None
    ).first()
    if key is None:
        return None
    member = member_by_pk(key.user_id)
    if member is None:
        return None
    if key.last_used_at is None or key.last_used_at < now - USED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    return member.through("api_key", frozenset(key.scopes) & role_scopes(member.actor.roles))
