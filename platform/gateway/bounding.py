"""How much of a server's answer is read, whatever it sends. No Django."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import httpx2

from gateway.chunks import NoCompletion

SPARE_BYTES, BYTES_PER_TOKEN = 1024**2, 4096
"""What of a server's answer is read: each token comes in a chunk of its own, with its log-probability and more around it."""


class _Bounded(httpx2.AsyncByteStream):
    """What a server sends, up to `most` bytes; more is an error."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream, self._most = stream, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._most
        async for piece in self._stream:
            left -= len(piece)
            if left < 0:
                raise NoCompletion(f"it sends more than {self._most:,} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def bounding(max_tokens: int) -> Callable[[httpx2.Response], Awaitable[None]]:
    """A hook that lets only so much of a response be read, whatever it holds; what is packed stays so."""

    async def bound(response: httpx2.Response) -> None:
        # Nobody asked for it, and what is counted is what came: a megabyte may unpack to gigabytes.
        response.headers.pop("Content-Encoding", None)
        response.stream = _Bounded(
            cast("httpx2.AsyncByteStream", response.stream), SPARE_BYTES + BYTES_PER_TOKEN * max_tokens
        )

    return bound
