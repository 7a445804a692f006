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

MIN_REASON = 10


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
    if len(reason) < MIN_REASON:
        problems["reason"] = [f"Say why in at least {MIN_REASON} characters, for the people who wait."]
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
            kind=kind, environment=environment, reason=reason[:300], held_by=actor.ref, until=until
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
    reason = " ".join(reason.split())
    if len(reason) < MIN_REASON:
        problem = f"Say why in at least {MIN_REASON} characters."
        raise Invalid(problem, fields={"reason": [problem]})
    _lift(actor=actor, hold=row, reason=reason)


@governed("release.lift", lock="hold")
def _lift(*, actor: Actor, hold: ReleaseHold, reason: str) -> None:
    if hold.lifted_at is not None:
        raise Conflict("It has ended already.")
    ReleaseHold.objects.filter(pk=hold.pk).update(lifted_by=actor.ref, lifted_at=Now())
    event = EnvironmentReleased(
        subject=hold.ref, hold_kind=hold.kind, environment=hold.environment, reason=reason[:300]
    )
    record(event, actor=actor, reason=reason)
