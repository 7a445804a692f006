"""The one way out of a sandbox: a proxy at a Unix socket that judges each address and connects to what it judged.

Whatever a browser or a command wants of other hosts, redirects included, comes through it, each connection judged anew. It
sees hosts and ports alone where TLS is spoken with them, which is what a policy lists.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from gpu_workers.forges.addresses import Place
from gpu_workers.reach.bounds import Reach
from gpu_workers.reach.fetching import FetchError, checked

NAME = "door"
HEAD = 64 * 1024
PIECE = 64 * 1024
CONNECT_S = 10.0
START_S = 10.0
NOTED = 40
OURS = ("proxy-", "connection:", "keep-alive:", "upgrade:", "te:", "host:")
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:")
"""How a line of a head begins. A blank before the colon, or a line folded into the next, servers read in ways of their own."""
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
FAILED = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
MIB = 1024 * 1024
Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Of one door, all its connections together: bytes that come in and go out, how many connections, and how many at once."""

    received: int = 24 * MIB
    sent: int = 8 * MIB
    connections: int = 200
    at_once: int = 64


@dataclass(slots=True)
class _Passed:
    """What connections brought in and took out, in bytes."""

    received: int = 0
    sent: int = 0
    connections: int = 1


class Door:
    """A context manager: open while the browser or the command runs. `asked`, `refused` and `failed` say what it
    wanted, each once: what it got, what is not allowed, and what could not be had now.

    `connections` has a line for each host and port, with all that passed. `owner` is the user and group who may come to the
    socket, this process's own where it is None.
    """

    def __init__(
        self,
        folder: Path,
        reach: Reach,
        owner: tuple[int, int] | None = None,
        limits: DoorLimits = DoorLimits(),
    ) -> None:
        self._folder, self._reach, self._owner, self._limits = folder, reach, owner, limits
        self.asked: list[str] = []
        self.refused: list[str] = []
        self.failed: list[str] = []
        self._hosts: dict[str, _Passed] = {}
        self._passed = _Passed()
        self._count = self._now = 0
        self._open: set[asyncio.WriteTransport] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="door", daemon=True)

    @property
    def place(self) -> Path:
        """The socket, for who can see the folder."""
        return self._folder / NAME

    def __enter__(self) -> Door:
        self._thread.start()
        if not self._ready.wait(START_S):
            raise OSError("The door of the sandbox did not open.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # By way of the folder: a socket's address has no room for a long path.
            place = f"/proc/self/fd/{folder}/{NAME}"
            serving = asyncio.start_unix_server(self._serve, place, limit=HEAD)
            self._server = self._loop.run_until_complete(serving)
            os.chmod(place, 0o600)
            if self._owner is not None:
                os.chown(place, *self._owner)
            self._ready.set()
            self._loop.run_forever()
            self._end()
        finally:
            os.close(folder)
            self._loop.close()

    def _end(self) -> None:
        self._loop.run_until_complete(self._shut())
        while left := asyncio.all_tasks(self._loop):
            for task in left:
                task.cancel()
            # Aborted at once: who does not read what was written keeps its connection, and the door, open.
            for transport in self._open:
                transport.abort()
            self._loop.run_until_complete(asyncio.wait(left, timeout=1.0))
        self._loop.run_until_complete(_rounds())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())

    async def _shut(self) -> None:
        """Nobody comes in any more: who tries is turned away by the system, and costs nothing."""
        for listening in getattr(self._server, "sockets", ()):
            self._loop.remove_reader(listening.fileno())
        # What was accepted just now has to come as far as somebody who closes it, before the server is closed under it.
        await _rounds()
        self._server.close()

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self._open.add(writer.transport)
        self._count, self._now = self._count + 1, self._now + 1
        try:
            over = self._count > self._limits.connections or self._full
            if over or self._count == self._limits.connections:
                await self._shut()
            if self._now > self._limits.at_once:
                writer.write(BUSY)
            elif not over:
                await self._pass(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError):
            return
        finally:
            self._now -= 1
            await self._closed(writer)

    async def _closed(self, writer: Writer) -> None:
        """Close, and forget it once it is closed; who does not read the last of it is not waited for."""
        writer.close()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), CONNECT_S)
        writer.transport.abort()
        self._open.discard(writer.transport)

    @property
    def _full(self) -> bool:
        return self._passed.received > self._limits.received or self._passed.sent > self._limits.sent

    async def _pass(self, reader: Reader, writer: Writer) -> None:
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), CONNECT_S)).decode("latin-1")
        method, target, _ = head.partition("\r\n")[0].split(" ", 2)
        tunnel = method == "CONNECT"
        try:
            place = await asyncio.to_thread(self._judged, head, target, tunnel)
            body = None if tunnel else _body(head)
            there, out = await _connected(place)
        except FetchError as why:
            self._note(self.refused if why.forbidden else self.failed, f"{target.partition('?')[0][:120]}: {why}")
            writer.write(FORBIDDEN if why.forbidden else FAILED)
            await writer.drain()
            return
        self._open.add(out.transport)
        name, passed = f"{place.host}:{place.port}", _Passed()
        self._note(self.asked, name)
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            elif not self._counted(first := _forwarded(method, place, head), passed):
                out.write(first)
            await asyncio.gather(self._pump(reader, out, passed, body), self._pump(there, writer, passed, inwards=True))
        finally:
            self._sum(name, passed)
            await self._closed(out)

    def _judged(self, head: str, target: str, tunnel: bool) -> Place:
        """Where a request leads. Raises FetchError."""
        if set("\r\n\0") & set(head.replace("\r\n", "")):
            # What we take for one line, a server could take for two, the second of them naming another host.
            raise FetchError("Its head is garbled.", forbidden=True)
        if not tunnel and not all(map(HEADER.match, head.split("\r\n")[1:-2])):
            raise FetchError("Its head is garbled.", forbidden=True)
        if not tunnel and not target.startswith("http://"):
            raise FetchError("Only http and https are spoken.", forbidden=True)
        return checked(f"https://{target}" if tunnel else target, self._reach)

    async def _pump(
        self, source: Reader, target: Writer, passed: _Passed, room: int | None = None, *, inwards: bool = False
    ) -> None:
        """Pass on what comes, of a request's body no more than its `room`: what follows is a request that nobody judged."""
        with suppress(OSError):
            while piece := await source.read(PIECE):
                if room is not None:
                    piece, room = piece[:room], max(room - len(piece), 0)
                if self._counted(piece, passed, inwards=inwards):
                    target.close()
                    break
                target.write(piece)
                await target.drain()
            if inwards:
                target.close()
            elif target.can_write_eof():
                target.write_eof()

    def _counted(self, piece: bytes, passed: _Passed, *, inwards: bool = False) -> bool:
        """Whether this is too much."""
        for count in (passed, self._passed):
            count.received += len(piece) if inwards else 0
            count.sent += 0 if inwards else len(piece)
        return self._full

    @property
    def connections(self) -> list[str]:
        return [
            f"{name}: {one.connections} connections, {one.received} bytes came, {one.sent} went"
            for name, one in self._hosts.items()
        ]

    def _sum(self, name: str, passed: _Passed) -> None:
        name = name if name in self._hosts or len(self._hosts) < NOTED else "more hosts"
        total = self._hosts.setdefault(name, _Passed(connections=0))
        total.connections += 1
        total.received += passed.received
        total.sent += passed.sent

    @staticmethod
    def _note(where: list[str], line: str) -> None:
        if line not in where and len(where) < NOTED:
            where.append(line)


def _body(head: str) -> int:
    """How many bytes follow a head. Raises FetchError where it does not say so in the one way that leaves no doubt."""
    lines = [line.lower().partition(":") for line in head.split("\r\n")[1:-2]]
    said = [value.strip() for name, _, value in lines if name == "content-length"]
    if any(name == "transfer-encoding" for name, _, _ in lines):
        raise FetchError("What is sent in plain http has to say its length.")
    if len(said) > 1 or not all(re.fullmatch(r"[0-9]{1,12}", one) for one in said):
        raise FetchError("Its head is garbled.", forbidden=True)
    return int(said[0]) if said else 0


async def _connected(place: Place) -> tuple[Reader, Writer]:
    """Raises FetchError where the host does not answer."""
    try:
        return await asyncio.wait_for(asyncio.open_connection(place.address, place.port), CONNECT_S)
    except (OSError, TimeoutError) as away:
        raise FetchError(f"{place.host} cannot be reached: {type(away).__name__}.") from away


def _forwarded(method: str, place: Place, head: str) -> bytes:
    """The request as its server gets it, for this one alone: a second one on the same connection would go unjudged."""
    lines = [line for line in head.split("\r\n")[1:] if line and not line.lower().startswith(OURS)]
    path = (place.parts.path or "/") + (f"?{place.parts.query}" if place.parts.query else "")
    first = [f"{method} {path} HTTP/1.1", f"Host: {place.parts.netloc}", "Connection: close"]
    return ("\r\n".join([*first, *lines]) + "\r\n\r\n").encode("latin-1")


async def _rounds() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@contextmanager
def opened_door(
    reach: Reach, runtime: Path | None, owner: tuple[int, int] | None, limits: DoorLimits
) -> Iterator[Door]:
    """A door in a folder of its own below `runtime`, which nobody lists and which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="guildhall-door-", dir=runtime) as name:
        Path(name).chmod(0o711)
        with Door(Path(name), reach, owner, limits) as door:
            yield door
