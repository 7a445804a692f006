"""Background jobs: the tenant is the first thing in every message, and the message is signed.

Celery only carries a job. What is to be done, whether it is still wanted and who holds it is a row in PostgreSQL, so a
message that is lost, doubled or late does no harm. A message whose signature does not cover exactly this tenant, job
and arguments is refused before anything runs: a worker never acts in a tenant that somebody wrote into a queue. Nothing
runs for a tenant that a gate has closed; its rows wait until it is open again.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from django.conf import settings
from django.db import connection

from guildhall.kernel import offers, progress
from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.broker import app
from guildhall.kernel.errors import TenantGone
from guildhall.kernel.operation import current_operation, operation_scope
from guildhall.kernel.tenancy import NoTenant, is_tenant_schema, platform_scope, tenant_scope

logger = logging.getLogger(__name__)
Gate = Callable[[str], str | None]
WEEK = 7 * 86400.0
LOOKED_AT = 500
"""Of how many messages at a time it is asked whether they lie in their queue."""
QUEUES = ("agents", "merges", "ingest", "events", "delivery", "provisioning", "default")


class ForgedMessage(RuntimeError):
    """A job's message was not signed by this platform for this tenant and these arguments."""


class JobFunction(Protocol):
    """A job's body: keyword arguments that JSON can carry."""

    __name__: str
    __module__: str

    def __call__(self, **kwargs: Any) -> None: ...


class Job:
    """A named piece of background work on one queue."""

    def __init__(self, fn: JobFunction, queue: str) -> None:
        self.name = f"{fn.__module__}.{fn.__name__}"
        self.queue = queue
        self._fn = fn

        def run(*, envelope: dict[str, Any], signature: str) -> None:
            self._execute(envelope, signature)  # Celery reads a plain function's arguments, a method's it gets wrong

        self.task = app.task(name=self.name, ignore_result=True)(run)

    def send(
        self, tenant: str, /, *, countdown: float = 0, expires: float = WEEK, queue: str | None = None, **kwargs: Any
    ) -> None:
        """Put one message for `tenant` (a schema name or the platform's reserved one) on the queue.

        It runs `countdown` seconds from now at the earliest, and not at all when no worker took it within `expires`
        seconds: for messages that are sent again anyway and would pile up while no worker is there. `queue` is where the
        job is run this time, if not on its own.
        """
        self._put({"tenant": tenant, "kwargs": kwargs}, countdown, expires, queue)

    def _put(self, wanted: dict[str, Any], countdown: float, expires: float, queue: str | None) -> None:
        operation = current_operation()
        envelope = {**wanted, "operation": operation.id, "trace": operation.trace_id}
        self.task.apply_async(
            kwargs={"envelope": envelope, "signature": sign(self.name, envelope)},
            queue=queue or self.queue,
            countdown=countdown,
            expires=expires,
        )

    def offer(self, tenant: str, /, **kwargs: Any) -> bool:
        """Send a message, unless one with the same arguments is believed to lie in the queue: see `kernel.offers`.

        For what a timer sends until somebody does it. Whether it was sent.
        """
        lately = offers.offer(self._mark(tenant, kwargs))
        if lately:
            self._put({"tenant": tenant, "kwargs": kwargs, "offered": True}, 0, 2 * lately, None)
        return bool(lately)

    def offer_each(self, tenant: str, /, *each: dict[str, Any], most: int) -> None:
        """`offer` with each of these arguments in turn until `most` were sent."""
        sent = 0
        for first in range(0, len(each), LOOKED_AT):
            some = each[first : first + LOOKED_AT]
            there = offers.believed([self._mark(tenant, kwargs) for kwargs in some])
            for kwargs in (one for one, lies_there in zip(some, there, strict=True) if not lies_there):
                sent += self.offer(tenant, **kwargs)
                if sent == most:
                    return

    def _mark(self, tenant: str, kwargs: dict[str, Any]) -> str:
        return f"{self.name}:{tenant}:{json.dumps(kwargs, sort_keys=True, separators=(',', ':'))}"

    def _execute(self, envelope: dict[str, Any], signature: str) -> None:
        if not hmac.compare_digest(sign(self.name, envelope), signature):
            raise ForgedMessage(f"{self.name}: signature does not fit the message")
        tenant: str = envelope["tenant"]
        if envelope.get("offered"):
            offers.begun(self._mark(tenant, envelope["kwargs"]))
        try:
            with operation_scope(envelope["operation"], envelope["trace"]), _scope_of(tenant):
                if reason := _closed(tenant):
                    logger.info("%s is not run for %s: %s", self.name, tenant, reason)
                    return
                self._fn(**envelope["kwargs"])
        except TenantGone as gone:
            logger.info("%s is not run for %s: %s", self.name, tenant, gone.detail)
        finally:
            progress.forget()
            connection.close()


_gates: list[Gate] = []


def register_gate(gate: Gate) -> Gate:
    """Have `gate(tenant)` asked, in the tenant's scope, before each of its jobs; a reason means that it is not run."""
    if gate not in _gates:
        _gates.append(gate)
    return gate


def _closed(tenant: str) -> str | None:
    return next((reason for gate in _gates if (reason := gate(tenant))), None)


def _scope_of(tenant: str) -> AbstractContextManager[None]:
    if tenant == PLATFORM:
        return platform_scope()
    if not is_tenant_schema(tenant):
        raise NoTenant(f"job without a tenant: {tenant!r}")
    return tenant_scope(tenant)


def sign(name: str, envelope: dict[str, Any]) -> str:
    """HMAC-SHA256 over job name, tenant, arguments and operation, hex."""
    body = json.dumps([name, envelope], sort_keys=True, separators=(",", ":"), default=str)
    key = hashlib.sha256(b"guildhall.jobs:" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()


def job(queue: str) -> Callable[[Any], Job]:
    """Make a keyword-only function a job on `queue`; `.send(tenant, **kwargs)` has it run in that tenant's scope."""
    if queue not in QUEUES:
        raise ValueError(f"unknown queue {queue!r}; known are {', '.join(QUEUES)}")

    def wrap(fn: Any) -> Job:
        return Job(fn, queue)

    return wrap
