"""Throwing away what has run out and can open nothing any more."""

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.utils import timezone

from guildhall.kernel.tenancy import identity_scope
from tenants.models import HandOff, PasswordReset, RefreshToken, Session


def purge_identity() -> dict[str, int]:
    """Delete expired sign-ins of all hosts, hand-offs, links and lock-outs, as sign-in's own role. Rows by kind."""
    now = timezone.now()
    cool = now - settings.AXES_COOLOFF_TIME
    stale = {
        "sessions": Session.objects.filter(expire_date__lte=now),
        "hand-offs": HandOff.objects.filter(expires_at__lte=now),
        "password links": PasswordReset.objects.filter(expires_at__lte=now),
        "lock-outs": AccessAttempt.objects.filter(attempt_time__lt=cool),
        "failures": AccessFailureLog.objects.filter(attempt_time__lt=cool),
        "accesses": AccessLog.objects.filter(attempt_time__lt=cool),
    }
    with identity_scope():
        return {kind: rows.delete()[0] for kind, rows in stale.items()}


def purge_tokens() -> dict[str, int]:
    """Delete refresh tokens that have expired, used and ended ones too, as the platform. Rows by kind."""
    return {"refresh tokens": RefreshToken.objects.filter(expires_at__lte=timezone.now()).delete()[0]}
