"""API keys: `gh_` and 43 characters, of which only the SHA-256 is kept."""

import secrets
from datetime import timedelta

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from tenants.auth.members import Member, member_of_row
from tenants.models import ApiKey
from tenants.policies import role_scopes
from tenants.selectors import digest

KEY_MARK = "gh_"
USED_EVERY = timedelta(minutes=1)
VALID_KEY = """
SELECT k.id, k.scopes, k.last_used_at, m.user_id, m.public_id, m.name, m.roles, m.client, m.tenant_status, m.status_reason
FROM tenants_apikey k JOIN comember m ON m.user_id = k.user_id
WHERE k.key_hash = %s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > %s)
"""


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
    with connection.cursor() as cursor:
        cursor.execute(VALID_KEY, [digest(secret), now])
        row = cursor.fetchone()
    if row is None:
        return None
    key, scopes, used_at, *about = row
    member = member_of_row(about, "api_key")
    if used_at is None or used_at < now - USED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
        ApiKey.objects.filter(stale, pk=key).update(last_used_at=now)
    return member.through("api_key", frozenset(scopes) & role_scopes(member.actor.roles), str(key))
