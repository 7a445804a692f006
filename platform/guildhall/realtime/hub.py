"""One Redis subscription per tenant and process, fanned out to that process's sockets.

Redis announces what the relay has placed: position, kind and subject, never content. A socket that cannot keep up is
closed; it comes back with the position it has and gets the rest from PostgreSQL, so a lost announcement loses nothing.
"""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any

import redis.asyncio as redis

logger = logging.getLogger(__name__)
QUEUE = 1000
RETRY_SECONDS = 0.5

Announcement = dict[str, Any]


class Overrun(Exception):
    """The reader fell more than `QUEUE` announcements behind."""


class Subscription:
    """One socket's share of its tenant's announcements."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Announcement | None] = asyncio.Queue(QUEUE)
        self._overrun = False

    def put(self, announcement: Announcement | None) -> None:
        try:
            self._queue.put_nowait(announcement)
        except asyncio.QueueFull:
            self._overrun = True

    async def get(self) -> Announcement | None:
        """The next announcement; None means that some may have been lost and the reader should catch up."""
        if self._overrun:
            raise Overrun
        return await self._queue.get()


class Hub:
    """All subscriptions of this process; belongs to one event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._subscribers: dict[str, set[Subscription]] = {}
        self._pumps: dict[str, asyncio.Task[None]] = {}

    async def subscribe(self, channel: str) -> Subscription:
        """Listen to `channel`; returns once Redis has confirmed, or at once when Redis is away."""
        subscription = Subscription()
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
                        self._send(channel, None)
                    ready.set()
                elif message["type"] == "message":
                    self._send(channel, json.loads(message["data"]))

    def _send(self, channel: str, announcement: Announcement | None) -> None:
        for subscription in tuple(self._subscribers.get(channel, ())):
            subscription.put(announcement)
