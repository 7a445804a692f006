"""One Redis subscription per tenant and process, fanned out to that process's sockets.

Redis announces what the relay has placed: position, kind and subject, never content. An announcement is read and written
down once for all sockets, and handed to each without a task of its own as long as nothing is in its way. A socket that
cannot keep up is closed; it comes back with the position it has and gets the rest from PostgreSQL, so a lost
announcement loses nothing.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

import redis.asyncio as redis

logger = logging.getLogger(__name__)
QUEUE = 1000
RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Announcement:
    """One placed event, and `text`: the JSON that a page is told."""

    position: int
    kind: str
    subject: str
    text: str

    @classmethod
    def of(cls, position: int, kind: str, subject: str) -> "Announcement":
        text = json.dumps({"position": position, "kind": kind, "subject": subject})
        return cls(position, kind, subject, text)

    @property
    def concerns_membership(self) -> bool:
        """Whether somebody's right to listen may just have changed."""
        return self.kind.startswith(("tenancy.", "identity."))


class Sign(Enum):
    """What a reader is told between announcements."""

    CATCH_UP = "some announcements may have been lost"
    LOOK_AGAIN = "it is time to look whether the reader may still listen"


Told = Announcement | Sign
AtOnce = Callable[[Announcement], bool]


class Overrun(Exception):
    """The reader fell more than `QUEUE` announcements behind."""


class Subscription:
    """One socket's share of its tenant's announcements.

    While its reader waits for the next one and none is queued, `at_once(announcement)` is asked first; True means that it
    was dealt with there and then.
    """

    def __init__(self, at_once: AtOnce | None = None) -> None:
        self._queue: asyncio.Queue[Told] = asyncio.Queue(QUEUE)
        self._at_once = at_once
        self._waiting = False
        self._overrun = False

    def put(self, told: Told) -> None:
        """Hand on what is told, at once or through the queue."""
        idle = self._waiting and self._queue.empty()
        if idle and self._at_once is not None and isinstance(told, Announcement) and self._at_once(told):
            return
        try:
            self._queue.put_nowait(told)
        except asyncio.QueueFull:
            self._overrun = True

    async def get(self) -> Told:
        """What is told next, of what was not dealt with at once. Raises `Overrun`."""
        if self._overrun:
            raise Overrun
        self._waiting = True
        try:
            return await self._queue.get()
        finally:
            self._waiting = False


class Hub:
    """All subscriptions of this process; belongs to one event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._subscribers: dict[str, set[Subscription]] = {}
        self._pumps: dict[str, asyncio.Task[None]] = {}

    async def subscribe(self, channel: str, at_once: AtOnce | None = None) -> Subscription:
        """Listen to `channel`; returns once Redis has confirmed, or at once when Redis is away."""
        subscription = Subscription(at_once)
        self._subscribers.setdefault(channel, set()).add(subscription)
        if channel not in self._pumps:
            ready = asyncio.Event()
            # The loop keeps only weak references to tasks; without this one the pump could be collected.
            self._pumps[channel] = asyncio.create_task(self._pump(channel, ready))
            with suppress(TimeoutError):
                await asyncio.wait_for(ready.wait(), 2)
        return subscription

    def unsubscribe(self, channel: str, subscription: Subscription) -> None:
        """Forget a subscription; the last one takes the Redis subscription with it."""
        subscribers = self._subscribers.get(channel, set())
        subscribers.discard(subscription)
        if not subscribers:
            self._subscribers.pop(channel, None)
            pump = self._pumps.pop(channel, None)
            if pump is not None:
                pump.cancel()

    async def _pump(self, channel: str, ready: asyncio.Event) -> None:
        while True:
            try:
                await self._listen(channel, ready)
            except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
                logger.warning("live announcements of %s interrupted: %s", channel, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, channel: str, ready: asyncio.Event) -> None:
        client = redis.Redis.from_url(self._url, health_check_interval=10)
        async with client, client.pubsub() as pubsub:
            await pubsub.subscribe(channel)
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    # Whatever was announced while nobody listened is caught up by position.
                    if ready.is_set():
                        self._send(channel, Sign.CATCH_UP)
                    ready.set()
                elif message["type"] == "message":
                    self._send(channel, Announcement.of(**json.loads(message["data"])))

    def _send(self, channel: str, told: Told) -> None:
        for subscription in tuple(self._subscribers.get(channel, ())):
            try:
                subscription.put(told)
            except Exception:
                logger.exception("a socket of %s failed; the others are told all the same", channel)
