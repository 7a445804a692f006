"""The one way out of a browser's sandbox: a proxy at a Unix socket that judges each address and connects to what it judged.

Redirects, frames, scripts and pictures all come through it, each connection judged anew. It sees hosts and ports alone where
the browser speaks TLS with them, which is what a policy lists.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from gpu_workers.forges.addresses import Place
from gpu_workers.reach.bounds import Reach
from gpu_workers.reach.fetching import FetchError, checked

NAME = "door"
HEAD = 64 * 1024
PIECE = 64 * 1024
MAX_BYTES = 24 * 1024 * 1024
"""Bytes that come in through one door, all connections together."""
MAX_CONNECTIONS = 200
CONNECT_S = 10.0
START_S = 10.0
NOTED = 40
OURS = ("proxy-", "connection:", "keep-alive:", "upgrade:", "te:", "host:")
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter


class Door:
    """A context manager: open while the browser runs. `asked` and `refused` say what it wanted, each once."""

    def __init__(self, folder: Path, reach: Reach) -> None:
        self._folder, self._reach = folder, reach
        self.asked: list[str] = []
        self.refused: list[str] = []
        self.received = 0
        self._connections = 0
        self._open: set[asyncio.WriteTransport] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="browser-door", daemon=True)

    def __enter__(self) -> Door:
        self._thread.start()
        if not self._ready.wait(START_S):
            raise OSError("The browser's door did not open.")
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
            server = self._loop.run_until_complete(serving)
            os.chmod(place, 0o666)  # noqa: S103 - who runs in the sandbox is another user
            self._ready.set()
            self._loop.run_forever()
            self._end(server)
        finally:
            os.close(folder)
            self._loop.close()

    def _end(self, server: asyncio.AbstractServer) -> None:
        # What was accepted just now has to come as far as somebody who closes it, before the server is closed under it.
        for listening in getattr(server, "sockets", ()):
            self._loop.remove_reader(listening.fileno())
        self._go_round()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        for transport in self._open:
            transport.abort()
        self._go_round()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())

    def _go_round(self) -> None:
        for _ in range(4):
            self._loop.run_until_complete(asyncio.sleep(0))

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self._connections += 1
        self._open.add(writer.transport)
        try:
            if self._connections <= MAX_CONNECTIONS and self.received < MAX_BYTES:
                await self._pass(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError):
            return
        finally:
            writer.close()

    async def _pass(self, reader: Reader, writer: Writer) -> None:
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), CONNECT_S)).decode("latin-1")
        method, target, _ = head.partition("\r\n")[0].split(" ", 2)
        tunnel = method == "CONNECT"
        try:
            place = await asyncio.to_thread(self._judged, target, tunnel)
        except FetchError as refusal:
            self._note(self.refused, f"{target.partition('?')[0][:120]}: {refusal}")
            writer.write(FORBIDDEN)
            await writer.drain()
            return
        self._note(self.asked, f"{place.host}:{place.port}")
        there, out = await asyncio.wait_for(asyncio.open_connection(place.address, place.port), CONNECT_S)
        self._open.add(out.transport)
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                out.write(_forwarded(method, place, head))
            await asyncio.gather(self._pump(reader, out, inwards=False), self._pump(there, writer, inwards=True))
        finally:
            out.close()

    def _judged(self, target: str, tunnel: bool) -> Place:
        """Where a request leads. Raises FetchError."""
        if not tunnel and not target.startswith("http://"):
            raise FetchError("Only http and https are spoken.", forbidden=True)
        return checked(f"https://{target}" if tunnel else target, self._reach)

    async def _pump(self, source: Reader, target: Writer, *, inwards: bool) -> None:
        with suppress(OSError):
            while piece := await source.read(PIECE):
                self.received += len(piece) if inwards else 0
                if self.received > MAX_BYTES:
                    break
                target.write(piece)
                await target.drain()
            if inwards:
                target.close()
            elif target.can_write_eof():
                target.write_eof()

    @staticmethod
    def _note(where: list[str], line: str) -> None:
        if line not in where and len(where) < NOTED:
            where.append(line)


def _forwarded(method: str, place: Place, head: str) -> bytes:
    """The request as its server gets it, for this one alone: a second one on the same connection would go unjudged."""
    lines = [line for line in head.split("\r\n")[1:] if line and not line.lower().startswith(OURS)]
    path = (place.parts.path or "/") + (f"?{place.parts.query}" if place.parts.query else "")
    first = [f"{method} {path} HTTP/1.1", f"Host: {place.parts.netloc}", "Connection: close"]
    return ("\r\n".join([*first, *lines]) + "\r\n\r\n").encode("latin-1")
