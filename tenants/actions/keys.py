"""API keys: made, shown once, revoked."""

from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid
from guildhall.kernel.tenancy import current_tenant
from tenants.auth.keys import new_secret, prefix_of
from tenants.events import ApiKeyCreated, ApiKeyRevoked
from tenants.models import ApiKey
from tenants.policies import check_scopes, manages_all
from tenants.selectors import digest, user_id_of

MAX_DAYS = 366


@governed("api_key.create", lock=None)
def create_api_key(*, actor: Actor, name: str, scopes: Iterable[str], days: int = 90) -> tuple[ApiKey, str]:
    """A key of the acting person's for `days` (1 to 366). Returns its row and the key itself, which is never shown again.

    Raises `Invalid`, or `Denied` when it would open more than its maker holds, or when a key makes a key.
    """
    if actor.via == "api_key":
        raise Denied("An API key cannot make another one; sign in to do it.")
    if not name.strip() or len(name.strip()) > 80:
        raise Invalid("The name was not accepted.", fields={"name": ["1 to 80 characters."]})
    if not 1 <= days <= MAX_DAYS:
        raise Invalid("The lifetime was not accepted.", fields={"days": [f"1 to {MAX_DAYS} days."]})
    wanted = check_scopes(actor, scopes)
    secret = new_secret()
    key = ApiKey.objects.create(
        tenant_id=current_tenant(),
        user_id=user_id_of(actor),
        name=name.strip(),
        prefix=prefix_of(secret),
        key_hash=digest(secret),
        scopes=wanted,
        expires_at=timezone.now() + timedelta(days=days),
    )
    record(ApiKeyCreated(subject=key.ref, name=key.name, scopes=wanted), actor=actor)
    return key, secret


@governed("api_key.revoke", lock="api_key")
def revoke_api_key(*, actor: Actor, api_key: ApiKey) -> ApiKey:
    """Make a key worthless at once. Its holder and admins may."""
    if not manages_all(actor) and api_key.user_id != user_id_of(actor):
        raise Denied("Only an admin may revoke somebody else's key.")
    if api_key.revoked_at is not None:
        raise Conflict("This key was revoked already.")
    api_key.revoked_at = timezone.now()
    api_key.save(update_fields=["revoked_at"])
    record(ApiKeyRevoked(subject=api_key.ref, name=api_key.name), actor=actor)
    return api_key
