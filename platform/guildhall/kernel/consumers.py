"""Durable consumers of the event stream: named, resumable, at least once, in position order within a tenant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from guildhall.kernel.events import Event


@dataclass(frozen=True, slots=True)
class Delivered:
    """One event as a consumer gets it. `position` is gap-free per tenant; `actor` is `Actor.as_dict()`."""

    id: int
    tenant: str
    position: int
    kind: str
    version: int
    data: Event
    actor: dict[str, Any]
    operation_id: str
    trace_id: str
    at: datetime


Handler = Callable[[Delivered], None]
TRIES = 6
"""How often an event is tried, with delays that grow."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A registered handler of `kinds`; `platform` consumers read the platform's own stream instead of tenants'.

    `queue` is the one whose workers run it: what needs rights of its own is run by a worker that has them.
    """

    name: str
    kinds: frozenset[str]
    handler: Handler
    platform: bool = False
    queue: str = "events"


_consumers: dict[str, Consumer] = {}


def consumer(
    name: str,
    *,
    kinds: Sequence[type[Event]],
    platform: bool = False,
    queue: str = "events",
) -> Callable[[Handler], Handler]:
    """Register an idempotent handler; it runs in its tenant's scope with no transaction open.

    Raising makes it run again with back-off, and after the last try the event is kept as a dead letter. The tenant's later
    events wait for it: one that has to wait for others, as for CI or a forge, has a job do that.
    """

    def wrap(handler: Handler) -> Handler:
        known = _consumers.get(name)
        if known is not None and _place(known.handler) != _place(handler):
            raise TypeError(f"consumer {name} is defined twice: {_place(known.handler)} and {_place(handler)}")
        _consumers[name] = Consumer(name, frozenset(cls.kind for cls in kinds), handler, platform, queue)
        return handler

    return wrap


def _place(handler: Handler) -> str:
    return f"{handler.__module__}.{handler.__qualname__}"


def registered_consumers() -> dict[str, Consumer]:
    """All consumers by name."""
    return dict(_consumers)
