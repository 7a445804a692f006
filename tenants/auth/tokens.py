"""Access tokens (JWT, 15 minutes) and the rotating refresh tokens behind them.

A token is signed with its tenant's own key and names the tenant as its audience, so on another tenant's host it fails
twice. Roles in a token inform the client; what counts is read from the membership on every request.
"""

import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

import jwt
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from guildhall.kernel.errors import Unauthenticated
from guildhall.kernel.tenancy import current_tenant
from tenants.auth.derive import derived_key
from tenants.auth.members import Member, member_by_pk, member_of_family
from tenants.models import RefreshToken
from tenants.policies import role_scopes
from tenants.selectors import digest

ALGORITHM = "HS256"
ISSUER = "guildhall"
REFRESH_MARK = "ghr_"
KEPT_TOKENS = 4096
CLAIMS = ["sub", "roles", "tenant_id", "permissions", "exp", "iat", "jti", "aud", "iss", "fam"]


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client gets: lifetimes in seconds."""

    access: str
    refresh: str
    expires_in: int


class Reused(Exception):
    """A refresh token came a second time: somebody else may have it, so its family has to end."""

    def __init__(self, family: uuid.UUID, holder: str) -> None:
        super().__init__("refresh token used twice")
        self.family = family
        self.holder = holder


def issue(member: Member) -> TokenPair:
    """A new family of tokens for `member` in the current tenant, with the scopes of their roles as permissions."""
    return _pair(member, uuid.uuid4())


def rotate(token: str) -> TokenPair:
    """Use a refresh token up for a new pair of the same family.

    Raises `Unauthenticated` for one that is unknown here, expired or ended, and `Reused` for one used before; the caller
    ends that family.
    """
    now = timezone.now()
    with transaction.atomic():
        row = RefreshToken.objects.select_for_update(of=("self",)).filter(token_hash=digest(token)).first()
        if row is None or row.revoked_at is not None or row.expires_at <= now:
            raise Unauthenticated("This refresh token is not valid here; sign in again.")
        member = member_by_pk(row.user_id)
        if member is None:
            raise Unauthenticated("This refresh token is not valid here; sign in again.")
        if row.used_at is not None:
            raise Reused(row.family, member.actor.ref)
        row.used_at = now
        row.save(update_fields=["used_at"])
        return _pair(member, row.family)


def family_of(token: str) -> uuid.UUID | None:
    """The family of a refresh token of the current tenant, whatever its state."""
    return RefreshToken.objects.filter(token_hash=digest(token)).values_list("family", flat=True).first()


def member_of_token(token: str) -> Member | None:
    """The member that an access token speaks for in the current tenant, with today's roles; None when it is not valid.

    Only HS256 with this tenant's key, for this tenant, unexpired, of a family that was not ended.
    """
    tenant = current_tenant()
    key = _key(tenant)
    claims = _checked.get((key, token)) or _check(token, key, tenant)
    if claims is None or claims.expires_at <= time.time():
        return None
    member = member_of_family(claims.holder, claims.family)
    return member and member.through("token", claims.permissions & role_scopes(member.actor.roles))


@dataclass(frozen=True, slots=True)
class _Claims:
    """What a token says that never changes: its signature, issuer and audience have been checked."""

    holder: str
    family: uuid.UUID
    permissions: frozenset[str]
    expires_at: float


_checked: dict[tuple[bytes, str], _Claims] = {}
_checked_lock = Lock()


def _check(token: str, key: bytes, tenant: str) -> _Claims | None:
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=tenant,
            issuer=ISSUER,
            options={"require": CLAIMS, "strict_aud": True},
        )
        permissions = frozenset(str(scope) for scope in claims["permissions"])
        found = _Claims(str(claims["sub"]), uuid.UUID(claims["fam"]), permissions, float(claims["exp"]))
    except (jwt.InvalidTokenError, ValueError, TypeError):
        return None
    if claims["tenant_id"] != tenant:
        return None
    with _checked_lock:
        if len(_checked) >= KEPT_TOKENS:
            _checked.clear()
        _checked[key, token] = found
    return found


def _pair(member: Member, family: uuid.UUID) -> TokenPair:
    tenant = current_tenant()
    lifetime: timedelta = settings.JWT_ACCESS_LIFETIME
    now = timezone.now()
    refresh = REFRESH_MARK + secrets.token_urlsafe(32)
    RefreshToken.objects.create(
        tenant_id=tenant,
        user_id=member.pk,
        family=family,
        token_hash=digest(refresh),
        expires_at=now + settings.JWT_REFRESH_LIFETIME,
    )
    claims = {
        "iss": ISSUER,
        "aud": tenant,
        "sub": member.actor.id,
        "tenant_id": tenant,
        "roles": sorted(member.actor.roles),
        "permissions": sorted(role_scopes(member.actor.roles)),
        "fam": str(family),
        "iat": now,
        "exp": now + lifetime,
        "jti": uuid.uuid4().hex,
    }
    return TokenPair(jwt.encode(claims, _key(tenant), ALGORITHM), refresh, int(lifetime.total_seconds()))


def _key(tenant: str) -> bytes:
    return derived_key(f"access-token.{tenant}")
