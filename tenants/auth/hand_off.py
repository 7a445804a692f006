"""From one organisation to another without signing in again, though no cookie leaves its host.

The browser keeps a secret of the host that it goes to, in a cookie of that host. The host that it comes from, where it is
signed in, issues a token for the digest of that secret. The token opens the one organisation, for the one account, in the
one browser, within a minute, once, and only while the sign-in that asked for it lives.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from guildhall.kernel.errors import Denied, NotFound
from guildhall.kernel.tenancy import identity_scope
from tenants.models import Domain, HandOff, Session, TenantStatus
from tenants.selectors import digest

LIFETIME = timedelta(seconds=60)
REFUSED = "This way in was used, has run out or belongs to another browser. Sign in here instead."


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation of a person's, and the host that it lives at."""

    schema: str
    slug: str
    name: str
    host: str


def organisations_of(user_id: int) -> list[Organisation]:
    """The active organisations that the account is a member of, by name."""
    with identity_scope():
        homes = Domain.objects.filter(
            is_primary=True, tenant__status=TenantStatus.ACTIVE, tenant__memberships__user_id=user_id
        )
        rows = homes.order_by("tenant__name").values_list(
            "tenant__schema_name", "tenant__slug", "tenant__name", "domain"
        )
        return [Organisation(*row) for row in rows]


def leads_somewhere(host: str) -> bool:
    """Whether an organisation lives at `host`."""
    with identity_scope():
        return bool(Domain.objects.filter(domain=host).exists())


def issue(*, user_id: int, session: str, host: str, challenge: str) -> str:
    """The token that lets the account into the organisation at `host`, asked for by the sign-in stored as `session`.

    `challenge` is the digest of the asking browser's secret. Raises `NotFound` unless the account is a member there.
    """
    target = next((home for home in organisations_of(user_id) if home.host == host), None)
    if target is None:
        raise NotFound("You are not a member of an organisation at that address.")
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    with identity_scope():
        HandOff.objects.filter(user_id=user_id, expires_at__lte=now).delete()
        HandOff.objects.create(
            token_hash=digest(token),
            user_id=user_id,
            target_id=target.schema,
            session=session,
            challenge=challenge,
            expires_at=now + LIFETIME,
        )
    return token


def take(token: str, *, schema: str, secret: str) -> int:
    """Use a token up at the organisation `schema`, in the browser that keeps `secret`; the account's id.

    Showing a token uses it up, whether it fits or not. Raises `Denied`, the same for every reason.
    """
    now = timezone.now()
    with identity_scope():
        row = HandOff.objects.filter(token_hash=digest(token)).first()
        first = row is not None and HandOff.objects.filter(pk=row.pk).delete()[0] == 1
        asker = row is not None and Session.objects.filter(pk=row.session, user_id=row.user_id, expire_date__gt=now)
        if (
            row is None
            or not first
            or row.expires_at <= now
            or row.target_id != schema
            or not secrets.compare_digest(row.challenge, digest(secret))
            or not (asker and asker.exists())
        ):
            raise Denied(REFUSED)
        return int(row.user_id)
