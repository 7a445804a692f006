"""The owner's orders to workers and queues. A worker reads them itself, so they outlast its restart and the broker's."""

from django.db.models.functions import Now

from guildhall.fleet.events import QueuePaused, QueueResumed, WorkerDrained, WorkerResumed
from guildhall.fleet.models import Part, Stop
from guildhall.fleet.presence import known_workers
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.jobs import QUEUES
from guildhall.kernel.reasons import checked_reason


@governed("fleet.drain", lock=None)
def drain_worker(*, actor: Actor, name: str, reason: str) -> Stop:
    """Have a worker take nothing new; it ends what it has. In the platform's scope.

    `name` as the worker calls itself, such as `agents@host`; `reason` has 10 to 300 characters. Raises `Invalid`, also for
    a worker that has not been heard of, or `Conflict` when it takes nothing already.
    """
    if name not in known_workers():
        raise Invalid("No worker of that name has been heard of.", fields={"name": ["There is no such worker."]})
    stop = _stop(actor, Part.WORKER, name, reason)
    record(WorkerDrained(subject=stop.ref, reason=stop.reason), actor=actor, reason=stop.reason)
    return stop


@governed("fleet.pause", lock=None)
def pause_queue(*, actor: Actor, name: str, reason: str) -> Stop:
    """Have no worker take anything from a queue; what is in it waits. In the platform's scope.

    Raises `Invalid` for a name that is no queue, or `Conflict` when it is paused already.
    """
    if name not in QUEUES:
        raise Invalid("There is no such queue.", fields={"name": [f"One of {', '.join(QUEUES)}."]})
    stop = _stop(actor, Part.QUEUE, name, reason)
    record(QueuePaused(subject=stop.ref, reason=stop.reason), actor=actor, reason=stop.reason)
    return stop


@governed("fleet.resume", lock="stop")
def resume(*, actor: Actor, stop: Stop) -> Stop:
    """End an order. Raises `Conflict` when that was done before."""
    if stop.ended_at is not None:
        raise Conflict(f"{stop} takes work already." if stop.part == Part.WORKER else f"{stop} is not paused.")
    Stop.objects.filter(pk=stop.pk).update(ended_by=actor.ref, ended_at=Now())
    event = WorkerResumed(subject=stop.ref) if stop.part == Part.WORKER else QueueResumed(subject=stop.ref)
    record(event, actor=actor)
    stop.refresh_from_db()
    return stop


def _stop(actor: Actor, part: Part, name: str, reason: str) -> Stop:
    reason = checked_reason(reason)
    with taken_raises(Conflict(f"The {part} {name} is stopped already.")):
        return Stop.objects.create(part=part, name=name, reason=reason, ordered_by=actor.ref)
