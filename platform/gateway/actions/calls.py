"""What is written down about a model call that nobody answered; one that was answered is recorded with its charge."""

from gateway.events import ModelCallFailed
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor


@governed("model.failed", lock=None)
def record_failure(*, actor: Actor, event: ModelCallFailed) -> None:
    """Write a call that no provider answered into the audit trail."""
    record(event, actor=actor)
