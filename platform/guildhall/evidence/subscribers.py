"""What follows from acts on consumers: dead letters are handed over once more, rewound consumers are woken."""

import logging

from guildhall.evidence.actions import retry_letters
from guildhall.evidence.delivery import replay
from guildhall.evidence.events import ConsumerRewound, ConsumerWoken, RetryAsked, TenantRetryAsked
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
    for position in told.positions:
        try:
            replay(known, position)
        except NotFound:
            continue  # handled by an earlier delivery of this event, or set aside meanwhile
        except Exception:
            logger.exception("%s failed again at %s", told.consumer, position)


@consumer("evidence.tenant_letters", kinds=[TenantRetryAsked], platform=True)
def retry_in_tenant(event: Delivered) -> None:
    """Carry an owner's wish into the tenant, where it is written down as the platform's act."""
    told = event.data
    if not isinstance(told, TenantRetryAsked):
        return
    with tenant_scope(told.schema_name):
        try:
            retry_letters(actor=system_actor("owner console", told.schema_name), consumer=told.consumer)
        except NotFound:
            logger.info("%s of %s has no dead letter that waits", told.consumer, told.schema_name)
