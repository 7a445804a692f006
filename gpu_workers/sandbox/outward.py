"""Run inside of the sandbox before a command that may reach hosts: passes connections at a port of its loopback to the door.

It uses the standard library alone and is given to the interpreter as text. `argv[1]` is the door's socket, the rest the
command, which takes this process's place and finds the port in HTTP_PROXY. Nothing is judged here: the door does that, outside.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
OWN = "localhost,127.0.0.1,::1"
"""Servers that the command starts itself are here, not behind the door."""
PIECE = 65536


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(PIECE):
            target.write(piece)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()


async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        there, out = await asyncio.open_unix_connection(sys.argv[1])
        await asyncio.gather(pump(reader, out), pump(there, writer))
        out.close()
    writer.close()


async def serve(listening: socket.socket) -> None:
    await (await asyncio.start_server(passed_on, sock=listening)).serve_forever()


def apart(listening: socket.socket) -> None:
    """Serve in a process that is no child of the command, and that keeps none of its output open."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    asyncio.run(serve(listening))


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    apart(listening)
    way = f"http://127.0.0.1:{listening.getsockname()[1]}"
    for name in NAMES:
        os.environ[name] = os.environ[name.lower()] = way
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = OWN
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command itself


if __name__ == "__main__":
    main()
