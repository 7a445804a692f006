"""What is to be done with a change at its forge and waits: when it is tried again, and why, told to open pages."""

from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from gpu_workers.forge_events import ChangeKeptWaiting
from gpu_workers.models import ChangeRequest, Errand
from gpu_workers.models.change import ChangeState
from gpu_workers.models.errand import ErrandKind
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor


def rest_errand(errand: Errand, seconds: float, reason: str, **facts: Any) -> None:
    """Try it again in `seconds`, for a reason that is known or told elsewhere: bookkeeping between workers."""
    Errand.objects.filter(pk=errand.pk).update(retry_at=Now() + timedelta(seconds=seconds), reason=reason, **facts)


@governed("change.keep_waiting", lock="change")
def keep_waiting(
    *, actor: Actor, change: ChangeRequest, errand: Errand, seconds: float, reason: str, facts: dict[str, Any]
) -> ChangeRequest:
    """Try it again in `seconds`, and say why: whoever looks at the change learns of it as soon as the row says so."""
    rest_errand(errand, seconds, reason, **facts)
    look = errand.kind == ErrandKind.CLOSE and change.state == ChangeState.OPEN
    event = ChangeKeptWaiting(subject=change.ref, what="look" if look else errand.kind, reason=reason[:500])
    record(event, actor=actor, reason=reason[:500])
    return change
