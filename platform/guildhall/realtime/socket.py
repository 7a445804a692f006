"""The portal's websocket: announcements of what changed, and catch-up by position.

The client sends `{"after": N}`: the last position it has seen, or null for "from now on". It gets `{"position": N}` when it is
up to date, then `{"position", "kind", "subject"}` for every event it may know about, and fetches what it shows of them over
HTTP, where permission is checked again. `{"refetch": true}` means that too much was missed to be told one by one.

A client of the tenant hears of what it may see and of nothing else, not even that there is more: it gets subjects without
kinds, and no positions, whose gaps would count what others do. Its page fetches everything anew when it connects again.
"""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from guildhall.evidence import selectors
from guildhall.evidence.relay import live_channel
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError, RateLimited
from guildhall.kernel.tenancy import tenant_scope
from guildhall.realtime.eager import begun
from guildhall.realtime.hub import Announcement, Hub, Overrun, Sign, Subscription

logger = logging.getLogger(__name__)
CATCH_UP = 200
MAX_MESSAGE = 1024
FORBIDDEN, BAD_MESSAGE, TRY_AGAIN = 4403, 4400, 4429
RECHECK_SECONDS = 15
REFETCH = {"refetch": True, "position": 0}
"""What a client hears when it connects: there is no position to catch up from."""

Authenticate = Callable[[dict[str, Any]], Awaitable[tuple[str, Actor]]]
MayKnow = Callable[[Actor, list[str]], set[str]]

Count = Callable[[dict[str, Any], Actor | None], None]

_authenticators: list[Authenticate] = []
_counters: list[Count] = []
_filters: dict[str, MayKnow] = {}
_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def register_authenticator(authenticate: Authenticate) -> None:
    """Name who tells tenant and actor from a connection's ASGI scope; it raises a GuildhallError to refuse."""
    _authenticators[:] = [authenticate]


def register_counter(count: Count) -> None:
    """Have every new connection counted: `count(scope, actor)`, None for nobody; it raises `RateLimited`."""
    _counters[:] = [count]


def register_subject_filter(kind: str, may_know: MayKnow) -> None:
    """Say which subjects `kind:…` a client may know about: `may_know(actor, subjects)`, run in the tenant's scope.

    A client hears of no other kinds.
    """
    _filters[kind] = may_know


def _hub() -> Hub:
    loop = asyncio.get_running_loop()
    return _hubs.setdefault(loop, Hub(settings.REDIS_URL))


class TenantSocket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One page's connection to its tenant."""

    schema = ""
    refused = False
    actor: Actor
    position = 0
    _subscription: Subscription | None = None
    _pushing: asyncio.Task[None] | None = None
    _sending: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        refusal = await self._refusal()
        self.refused = refusal is not None
        await self.accept()
        if isinstance(refusal, RateLimited):
            await self.close(TRY_AGAIN, f"{refusal.detail[:90]} Retry-After: {refusal.extra['retry_after']}")
        elif refusal is not None:
            await self.close(FORBIDDEN, refusal.detail[:120])

    async def _refusal(self) -> GuildhallError | None:
        """Why nobody is let in here: not signed in for this tenant, or too many connections a minute."""
        actor: Actor | None = None
        refusal: GuildhallError | None = None
        try:
            self.schema, actor = await _authenticators[0](self.scope)
            self.actor = actor
        except GuildhallError as error:
            refusal = error
        try:
            for count in _counters:
                await database_sync_to_async(count)(self.scope, actor)
        except RateLimited as error:
            return error
        return refusal

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.refused:  # and said so before it could hear that it is
            return
        after = _after(text_data)
        if after is _WRONG:
            await self.close(BAD_MESSAGE, 'send {"after": position or null}')
            return
        if self._subscription is None:
            self._subscription = await _hub().subscribe(live_channel(self.schema), self._tell_at_once)
            head = await self._query(selectors.head_position)
            self.position = head if after is None or self._is_client() else min(int(after), head)
            await self._greet()
            self._pushing = asyncio.create_task(self._push())

    async def disconnect(self, code: int) -> None:
        if self._pushing is not None:
            self._pushing.cancel()
        if self._subscription is not None:
            _hub().unsubscribe(live_channel(self.schema), self._subscription)

    def _tell_at_once(self, announcement: Announcement) -> bool:
        """Tell what needs no look-up to a page that is up to date and keeps up; False leaves it to `_push`."""
        in_order = announcement.position == self.position + 1
        if not in_order or announcement.concerns_membership or self._sending is not None or self._is_client():
            return False
        self.position = announcement.position
        with suppress(OSError):  # the page is gone, and `disconnect` comes for it
            self._sending = begun(self.base_send({"type": "websocket.send", "text": announcement.text}))
        if self._sending is not None:
            self._sending.add_done_callback(self._sent)
        return True

    def _sent(self, sending: asyncio.Task[None]) -> None:
        self._sending = None
        if not sending.cancelled() and not isinstance(sending.exception(), OSError | None):
            logger.error("a socket failed while it was sent to", exc_info=sending.exception())

    async def _push(self) -> None:
        assert self._subscription is not None
        again = self._look_again_later(self._subscription)
        try:
            while True:
                told = await self._subscription.get()
                if self._sending is not None:
                    await asyncio.wait({self._sending})
                if told is Sign.LOOK_AGAIN or (isinstance(told, Announcement) and told.concerns_membership):
                    await self._still_member()
                    again.cancel()
                    again = self._look_again_later(self._subscription)
                if isinstance(told, Announcement) and told.position == self.position + 1:
                    self.position = told.position
                    await self._tell([told])
                elif told is not Sign.LOOK_AGAIN:
                    await self._catch_up()
        except Overrun:
            await self.close(TRY_AGAIN, "too far behind; connect again with your position")
        except GuildhallError as error:
            await self.close(FORBIDDEN, error.detail[:120])
        finally:
            again.cancel()

    def _look_again_later(self, subscription: Subscription) -> asyncio.TimerHandle:
        # Not all at the same time: those who came together would ask the database together for ever.
        seconds = RECHECK_SECONDS * random.uniform(0.6, 1)  # noqa: S311
        return asyncio.get_running_loop().call_later(seconds, subscription.put, Sign.LOOK_AGAIN)

    async def _still_member(self) -> None:
        self.schema, self.actor = await _authenticators[0](self.scope)

    async def _greet(self) -> None:
        if self._is_client():
            await self._send(REFETCH)
        else:
            await self._catch_up()

    async def _catch_up(self) -> None:
        missed = await self._query(selectors.events_after, self.position, CATCH_UP + 1)
        if len(missed) > CATCH_UP:
            self.position = await self._query(selectors.head_position)
            await self._send(REFETCH if self._is_client() else {"refetch": True, "position": self.position})
            return
        if missed:
            self.position = missed[-1]["position"]
            await self._tell([Announcement.of(row["position"], row["kind"], row["subject"]) for row in missed])
        if not self._is_client():
            await self._send({"position": self.position})

    async def _tell(self, announcements: list[Announcement]) -> None:
        if not self._is_client():
            for announcement in announcements:
                await self.send(announcement.text)
            return
        subjects = list(dict.fromkeys(announcement.subject for announcement in announcements))
        known = await self._query(self._may_know, subjects)
        for subject in subjects:
            if subject in known:
                await self._send({"subject": subject, "position": 0})

    def _is_client(self) -> bool:
        return self.actor.has_role("client")

    def _may_know(self, subjects: list[str]) -> set[str]:
        by_kind: dict[str, list[str]] = {}
        for subject in subjects:
            by_kind.setdefault(subject.partition(":")[0], []).append(subject)
        known: set[str] = set()
        for kind in by_kind.keys() & _filters.keys():
            known |= _filters[kind](self.actor, by_kind[kind])
        return known & set(subjects)

    async def _query(self, fn: Callable[..., Any], *args: Any) -> Any:
        def run() -> Any:
            with tenant_scope(self.schema):
                return fn(*args)

        return await database_sync_to_async(run)()

    async def _send(self, message: dict[str, Any]) -> None:
        await self.send(json.dumps(message))


_WRONG = object()


def _after(text: str | None) -> Any:
    """The wanted position, None for "from now on", or `_WRONG`."""
    if text is None or len(text) > MAX_MESSAGE:
        return _WRONG
    try:
        message = json.loads(text)
    except ValueError:
        return _WRONG
    if not isinstance(message, dict) or set(message) != {"after"}:
        return _WRONG
    after = message["after"]
    if after is None or (isinstance(after, int) and not isinstance(after, bool) and after >= 0):
        return after
    return _WRONG
