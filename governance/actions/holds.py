"""The kill switch: stop and let go on. Whoever runs work listens to the events and asks `is_held` before each step."""

from django.db.models.functions import Now

from governance.events import WorkHeld, WorkResumed, WorkStopped
from governance.halting import LISTED, halt, in_words, keep_beginners_out
from governance.models import Hold
from governance.models.holds import HoldKind
from governance.selectors import hold_view
from governance.selectors.holds import everywhere_held
from governance.views import HoldView
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Invalid


@governed("hold.place", lock=None)
def place_hold(*, actor: Actor, kind: str, target: str, reason: str) -> HoldView:
    """Stop everything of `kind` (tenant, strategy, agent, run) called `target`; the tenant has no target.

    What is under way loses its lease in this transaction; its worker ends processes and calls within two seconds and
    pays for what was used. The view says what that was. Lifting lets it go on from its stored steps.
    Raises `Invalid`, or `Conflict` when it is held already.
    """
    problems: dict[str, list[str]] = {}
    if kind not in HoldKind.values:
        problems["kind"] = [f"Choose one of {', '.join(HoldKind.values)}."]
    if (kind == HoldKind.TENANT) == bool(target):
        problems["target"] = ["Leave this empty for the organisation, else name what is to stop."]
    if not reason.strip():
        problems["reason"] = ["Say why, for the people whose work stops."]
    if problems:
        raise Invalid("This cannot be put on hold.", fields=problems)
    if Hold.objects.filter(kind=kind, target=target, lifted_at__isnull=True).exists():
        raise Conflict(f"{kind} {target} is on hold already.")
    keep_beginners_out()
    with taken_raises(Conflict(f"{kind} {target} is on hold already.")):
        hold = Hold.objects.create(kind=kind, target=target, reason=reason.strip()[:300], held_by=actor.ref)
    hold.refresh_from_db()
    record(WorkHeld(subject=hold.ref, hold_kind=kind, target=target, reason=hold.reason), actor=actor, reason=reason)
    halted = halt(actor, hold_view(hold))
    Hold.objects.filter(pk=hold.pk).update(stopped=[one.as_dict() for one in halted])
    hold.refresh_from_db()
    if halted:
        record(
            WorkStopped(
                subject=hold.ref,
                hold=hold.pk,
                runs=[one.ref for one in halted[:LISTED]],
                count=len(halted),
                commands=sum(len(one.commands) for one in halted),
                calls=sum(len(one.calls) for one in halted),
                what=in_words(halted),
            ),
            actor=actor,
            reason=reason,
        )
    return hold_view(hold)


@governed("hold.lift", lock="hold")
def _lift(*, actor: Actor, hold: Hold) -> None:
    if hold.lifted_at is not None:
        raise Conflict("It is not on hold any more.")
    Hold.objects.filter(pk=hold.pk).update(lifted_by=actor.ref, lifted_at=Now())
    record(WorkResumed(subject=hold.ref, hold_kind=hold.kind, target=hold.target), actor=actor)


def lift_hold(*, actor: Actor, kind: str, target: str) -> None:
    """Let it go on. Raises `Conflict` when it is not on hold."""
    hold = Hold.objects.filter(kind=kind, target=target, lifted_at__isnull=True).first()
    if hold is None:
        above = everywhere_held() if kind == HoldKind.TENANT else None
        raise Conflict("Only the owner of this platform can end this hold." if above else "It is not on hold.")
    _lift(actor=actor, hold=hold)
