"""Locking environments and freezing releases by hand, and letting them go on. The policy's own windows stay its own."""

from datetime import datetime

from django.db.models.functions import Now
from django.utils import timezone

from governance.approval_events import EnvironmentHeld, EnvironmentReleased
from governance.models import ReleaseHold, ReleaseHoldKind
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Invalid, NotFound
from guildhall.kernel.reasons import checked_reason, reason_problems


@governed("release.hold", lock=None)
def hold_environment(
    *, actor: Actor, kind: str, environment: str, reason: str, until: datetime | None = None
) -> ReleaseHold:
    """Lock the environments that match `environment` (such as `shop:main` or `*`), or freeze them (`kind`).

    Without `until` it holds until somebody lifts it. Raises `Invalid`, and `Conflict` when it is held so already.
    """
    environment, reason = environment.strip(), " ".join(reason.split())
    problems: dict[str, list[str]] = {}
    if kind not in ReleaseHoldKind.values:
        problems["kind"] = [f"Choose one of {', '.join(ReleaseHoldKind.values)}."]
    if not environment or len(environment) > 160:
        problems["environment"] = ["Name an environment, such as shop:main, or * for all."]
    if wrong := reason_problems(reason):
        problems["reason"] = wrong
    if until is not None and until.tzinfo is None:
        problems["until"] = ["Say in which time zone."]
    elif until is not None and until <= timezone.now():
        problems["until"] = ["This is over already; choose a time to come, or none."]
    if problems:
        raise Invalid("This cannot be held.", fields=problems)
    _end_what_is_over(kind, environment)
    known = ReleaseHold.objects.filter(kind=kind, environment=environment, lifted_at__isnull=True)
    if known.exists():
        raise Conflict(f"There is a {kind} of {environment} already.")
    with taken_raises(Conflict(f"There is a {kind} of {environment} already.")):
        hold = ReleaseHold.objects.create(
            kind=kind, environment=environment, reason=reason, held_by=actor.ref, until=until
        )
    hold.refresh_from_db()
    event = EnvironmentHeld(
        subject=hold.ref,
        hold_kind=kind,
        environment=environment,
        reason=hold.reason,
        until=until.isoformat() if until else "",
    )
    record(event, actor=actor, after={"kind": kind, "environment": environment}, reason=reason)
    return hold


def _end_what_is_over(kind: str, environment: str) -> None:
    """A hold whose time is over stands in nobody's way; its row keeps when that was."""
    over = ReleaseHold.objects.filter(kind=kind, environment=environment, lifted_at__isnull=True, until__lte=Now())
    for hold in over:
        ReleaseHold.objects.filter(pk=hold.pk).update(lifted_at=hold.until)


def release_environment(*, actor: Actor, hold: int, reason: str) -> None:
    """Lift lock or freeze number `hold`. Raises `NotFound`, `Invalid` without a reason, `Conflict` when it has ended."""
    row = ReleaseHold.objects.filter(pk=hold).first()
    if row is None:
        raise NotFound("There is no such lock or freeze.")
    _lift(actor=actor, hold=row, reason=checked_reason(" ".join(reason.split())))


@governed("release.lift", lock="hold")
def _lift(*, actor: Actor, hold: ReleaseHold, reason: str) -> None:
    if hold.lifted_at is not None:
        raise Conflict("It has ended already.")
    ReleaseHold.objects.filter(pk=hold.pk).update(lifted_by=actor.ref, lifted_at=Now())
    event = EnvironmentReleased(
        subject=hold.ref, hold_kind=hold.kind, environment=hold.environment, reason=reason[:300]
    )
    record(event, actor=actor, reason=reason)
