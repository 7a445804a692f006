"""Many websocket clients in one process that do as little as they can: they count the frames that they are sent."""

import asyncio
import base64
import os
from dataclasses import dataclass

GREETING = b'{"after": null}'


@dataclass(frozen=True, slots=True)
class Door:
    """Where to knock: a port of this machine, and the headers that say who knocks."""

    port: int
    path: str
    host: str
    cookie: str = ""

    def handshake(self) -> bytes:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {self.path} HTTP/1.1", f"Host: {self.host}", f"Origin: http://{self.host}", "Upgrade: websocket",
            "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
            *([f"Cookie: {self.cookie}"] if self.cookie else []),
        ]  # fmt: skip
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Crowd:
    """All readers of one door; `heard` counts the events (not the greetings) that they were told together."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.greeted = 0
        self.heard = 0
        self._wanted = 0
        self._all: asyncio.Future[None] | None = None
        self._transports: list[asyncio.Transport] = []

    async def join(self, count: int) -> None:
        """Connect `count` readers, a few at a time, and wait until each has been greeted."""
        loop = asyncio.get_running_loop()
        for number in range(0, count, 20):
            readers = [Reader(self) for _ in range(min(20, count - number))]
            for reader in readers:
                transport, _ = await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", self.door.port)  # type: ignore[misc]
                self._transports.append(transport)
            await asyncio.wait_for(asyncio.gather(*(reader.greeted for reader in readers)), 60)

    def expect(self, more: int) -> asyncio.Future[None]:
        """A future that is done when `more` events have been heard in addition to those expected before."""
        self._wanted += more
        self._all = asyncio.get_running_loop().create_future()
        self.told(0)
        return self._all

    def told(self, events: int) -> None:
        self.heard += events
        if self._all is not None and not self._all.done() and self.heard >= self._wanted:
            self._all.set_result(None)

    def leave(self) -> None:
        for transport in self._transports:
            transport.abort()


class Reader(asyncio.Protocol):
    """One client: shakes hands, greets, then counts. Frames of a server are short here and never masked."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._rest = b""
        self._open = False
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._crowd.door.handshake())

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if not self._open:
            head, found, rest = self._rest.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self.greeted.set_exception(ConnectionError(head.decode(errors="replace")))
                return
            self._open, self._rest = True, rest
            self._transport.write(_masked(0x1, GREETING))
        self._count()

    def _count(self) -> None:
        events = 0
        while len(self._rest) >= 2:
            kind, length, start = self._rest[0] & 0xF, self._rest[1], 2
            if length == 126:
                length, start = int.from_bytes(self._rest[2:4], "big"), 4
            if len(self._rest) < start + length:
                break
            payload, self._rest = self._rest[start : start + length], self._rest[start + length :]
            if kind == 0x9:
                self._transport.write(_masked(0xA, payload))
            elif kind == 0x1 and b'"kind"' in payload:
                events += 1
            elif kind == 0x1 and not self.greeted.done():
                self.greeted.set_result(None)
            elif kind == 0x8 and not self.greeted.done():
                self.greeted.set_exception(ConnectionError(payload[2:].decode(errors="replace")))
        if events:
            self._crowd.told(events)


def _masked(kind: int, payload: bytes) -> bytes:
    # A mask of zeros is a mask; clients have to have one.
    return bytes([0x80 | kind, 0x80 | len(payload)]) + bytes(4) + payload
