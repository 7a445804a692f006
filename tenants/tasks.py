"""For which tenants background jobs are run, mails that nobody waits for, and what is thrown away at night."""

import logging
from datetime import timedelta

from celery import shared_task
from django.core.mail import send_mail
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from guildhall.api.idempotency import forget_old_answers
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.jobs import job
from guildhall.kernel.tenancy import platform_scope, release_connection
from tenants.actions.archives import purge_export
from tenants.auth.expiry import purge_identity, purge_tokens
from tenants.auth.resets import make_link
from tenants.models import Invitation, Tenant, TenantArchive, TenantStatus

logger = logging.getLogger(__name__)
INVITATIONS_KEPT = timedelta(days=30)
"""How long an invitation is kept after it ran out, to be sent again or to be looked up."""


@job("delivery")
def send_link(*, email: str, place: str, organisation: str) -> None:
    """Make and mail a link that sets a new password, if this address may have one.

    A job, so that asking takes the same time whether there is somebody to write to or not.
    """
    token = make_link(email)
    if token is None:
        return
    release_connection()
    send_mail(
        f"A new password for {organisation}",
        f"Somebody, probably you, asked for a new password for {organisation}.\n\n"
        f"Open this link within an hour; it works once:\n{place}{token}/\n\n"
        "It ends every sign-in and access token of your account. If it was not you, do nothing: nothing changes.\n",
        None,
        [email],
    )


@shared_task(name="tenants.tasks.purge_expired", ignore_result=True)
def purge_expired() -> None:
    """Nightly: throw away what has run out, the platform's share and each tenant's, each under its own role."""
    with platform_scope():
        schemas = list(Tenant.objects.filter(status=TenantStatus.ACTIVE).values_list("schema_name", flat=True))
    connection.close()
    purge_platform.send(PLATFORM)
    for schema in schemas:
        purge_tenant.send(schema)


@job("default")
def purge_platform() -> None:
    """What belongs to sign-in itself, of all tenants: sessions, tokens, hand-offs, links, lock-outs; exports of a year ago."""
    logger.info("purged: %s", {**purge_identity(), **purge_tokens(), "exports": _purge_exports()})


def _purge_exports() -> int:
    """Delete the exports of archived tenants whose year is over; how many."""
    due = TenantArchive.objects.filter(dropped_at__isnull=False, purged_at=None, kept_until__lte=Now())
    rows = list(due.order_by("kept_until"))
    for row in rows:
        purge_export(actor=system_actor("timekeeper", PLATFORM), archive=row)
    return len(rows)


@job("default")
def purge_tenant() -> None:
    """What belongs to one tenant: invitations long past, and answers kept for repeated requests."""
    now = timezone.now()
    invitations, _ = Invitation.objects.filter(expires_at__lt=now - INVITATIONS_KEPT).delete()
    logger.info("purged: %s", {"invitations": invitations, "answers": forget_old_answers()})
