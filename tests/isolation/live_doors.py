"""The websocket as a door: what a page of one tenant hears, of what was and of what happens while it listens."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async

from guildhall.asgi import application
from guildhall.evidence.selectors import head_position
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import signed_in
from tests.support.tenants import TestTenant

SECONDS = 120
LATEST = 150
"""Events that a page catches up on; more of them would be fetched and not told."""


class Socket:
    """One connection to the portal's socket, as the live process would serve it."""

    def __init__(self, host: str, cookie: str) -> None:
        headers = {"host": host, "origin": f"http://{host}", "cookie": f"gh_session={cookie}"}
        communicator: Any = ApplicationCommunicator
        self._app = communicator(
            application,
            {
                "type": "websocket", "path": "/ws/portal/", "query_string": b"", "subprotocols": [],
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
                "client": ("203.0.113.5", 4711),
            },
        )  # fmt: skip
        self.heard: list[str] = []

    async def open(self, after: int | None) -> None:
        await self._app.send_input({"type": "websocket.connect"})
        await self._app.send_input({"type": "websocket.receive", "text": json.dumps({"after": after})})

    async def listen(self, enough: Callable[[str], bool]) -> None:
        """Take in what is said until that is `enough`, or the door is closed."""
        while True:
            said: dict[str, Any] = await self._app.receive_output(SECONDS)
            self.heard.append(str(said.get("text") or said.get("reason") or ""))
            if said["type"] == "websocket.close" or enough(self.heard[-1]):
                return

    async def close(self) -> None:
        await self._app.send_input({"type": "websocket.disconnect", "code": 1000})
        with suppress(asyncio.CancelledError):
            await self._app.wait(SECONDS)


def listening(attacker: TestTenant, victim: TestTenant, happen: Callable[[TestTenant], str]) -> Iterable[str]:
    """What a member of `attacker` hears at their own host and at the victim's, while `happen` does something in both.

    It returns a word that the attacker's own announcement bears.
    """
    cookie = signed_in(attacker, attacker.member("admin")).cookies["gh_session"].value

    def latest() -> int:
        with tenant_scope(attacker.schema):
            return max(0, head_position() - LATEST)

    def both() -> str:
        happen(victim)
        return happen(attacker)

    async def walk() -> Iterator[str]:
        sockets = [Socket(attacker.host, cookie), Socket(victim.host, cookie)]
        after = await database_sync_to_async(latest)()
        for socket in sockets:
            await socket.open(after)
        await sockets[1].listen(lambda said: "position" in said)
        await sockets[0].listen(lambda said: said.startswith('{"position": ') and "kind" not in said)
        word = await database_sync_to_async(both)()
        await sockets[0].listen(lambda said: word in said)
        for socket in sockets:
            await socket.close()
        return (text for socket in sockets for text in socket.heard)

    return asyncio.run(walk())
