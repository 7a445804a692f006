"""What is written down about a model call."""

from gateway.events import ModelCalled, ModelCallFailed
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor


@governed("model.called", lock=None)
def record_call(*, actor: Actor, event: ModelCalled) -> None:
    """Write a call that was answered, in whole or in part, into the audit trail."""
    record(event, actor=actor)


@governed("model.failed", lock=None)
def record_failure(*, actor: Actor, event: ModelCallFailed) -> None:
    """Write a call that no provider answered into the audit trail."""
    record(event, actor=actor)
