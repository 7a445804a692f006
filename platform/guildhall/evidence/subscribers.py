"""What follows from acts on consumers: dead letters are handed over once more, rewound consumers are woken."""

import logging

from guildhall.evidence.actions import AT_ONCE, retry_letters, subject_of
from guildhall.evidence.delivery import replay
from guildhall.evidence.events import ConsumerRewound, ConsumerWoken, LetterRetried, RetryAsked, TenantRetryAsked
from guildhall.evidence.selectors import done_since, recent
from guildhall.evidence.tasks import run_consumer
from guildhall.kernel.actor import system_actor
from guildhall.kernel.consumers import Delivered, consumer, registered_consumers
from guildhall.kernel.errors import NotFound
from guildhall.kernel.tenancy import tenant_scope

logger = logging.getLogger(__name__)


@consumer("evidence.letters", kinds=[RetryAsked, ConsumerRewound, ConsumerWoken])
def look_after_letters(event: Delivered) -> None:
    """Hand the named letters over, one after the other; one that fails again waits on with its new error."""
    told = event.data
    if isinstance(told, (ConsumerRewound, ConsumerWoken)):
        run_consumer.send(event.tenant, expires=60.0, consumer=told.consumer)
        return
    known = registered_consumers().get(told.consumer) if isinstance(told, RetryAsked) else None
    if known is None or not isinstance(told, RetryAsked):
        return
    tried = _tried(event, told.consumer)
    for position in told.positions:
        if position in tried:
            continue
        try:
            replay(known, position)
        except NotFound:
            continue  # handled by an earlier delivery of this event, or set aside meanwhile
        except Exception:
            logger.exception("%s failed again at %s", told.consumer, position)


def _tried(event: Delivered, name: str) -> set[int]:
    """What was handed over since the wish, by its first delivery: one that failed waits for a new wish."""
    entries = recent(kinds=[LetterRetried.kind], subject=subject_of(name), limit=AT_ONCE)
    return {entry["event"]["position"] for entry in entries if entry["at"] > event.at}


@consumer("evidence.tenant_letters", kinds=[TenantRetryAsked], platform=True)
def retry_in_tenant(event: Delivered) -> None:
    """Carry an owner's wish into the tenant, where it is written down as the platform's act."""
    told = event.data
    if not isinstance(told, TenantRetryAsked):
        return
    with tenant_scope(told.schema_name):
        if done_since(kinds=[RetryAsked.kind], subject=subject_of(told.consumer), since=event.at):
            return  # it was carried in before, or a person of the tenant has asked since
        try:
            retry_letters(actor=system_actor("owner console", told.schema_name), consumer=told.consumer)
        except NotFound:
            logger.info("%s of %s has no dead letter that waits", told.consumer, told.schema_name)
