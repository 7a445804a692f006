"""The owner's kill switch: stop agents in every organisation, and let them go on. In the platform's scope."""

from django.db.models.functions import Now

from gateway.events import PlatformHeld, PlatformReleased
from gateway.models import PlatformHold, PlatformStop
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict
from guildhall.kernel.reasons import checked_reason


@governed("platform.hold", lock=None)
def hold_platform(*, actor: Actor, reason: str) -> PlatformHold:
    """Begin no run and call no model in any organisation; running work stops within seconds.

    `reason` has 10 to 300 characters. Raises `Invalid`, or `Conflict` when everything is on hold already.
    """
    reason = checked_reason(reason)
    with taken_raises(Conflict("Everything is on hold already.")):
        hold = PlatformHold.objects.create(reason=reason, held_by=actor.ref)
    record(PlatformHeld(subject=hold.ref, reason=reason), actor=actor, reason=reason)
    return hold


@governed("platform.release", lock="hold")
def release_platform(*, actor: Actor, hold: PlatformHold) -> PlatformHold:
    """Let agents of all organisations go on. Raises `Conflict` when that was done before."""
    if hold.lifted_at is not None:
        raise Conflict("It is not on hold any more.")
    PlatformHold.objects.filter(pk=hold.pk).update(lifted_by=actor.ref, lifted_at=Now())
    record(PlatformReleased(subject=hold.ref, reason=hold.reason), actor=actor)
    hold.refresh_from_db()
    return hold


def keep_stop(*, hold: int, tenant: str, run: int, commands: int, calls: int) -> None:
    """Keep what an owner's hold stopped in the organisation whose scope is open; once for each run. Told by an event."""
    stop = PlatformStop(hold_id=hold, tenant_id=tenant, run=run, commands=commands, calls=calls)
    PlatformStop.objects.bulk_create([stop], ignore_conflicts=True)
