"""Speaking JSON with a forge's API: one checked address per call, bounded answers, pages followed, limits heeded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from gpu_workers.forges.addresses import Network, Place, checked_place
from gpu_workers.reach.deadline import TooLong, within
from guildhall.kernel.errors import Invalid, RateLimited, Unavailable
from guildhall.kernel.texts import Unreadable, read_json

MAX_BYTES = 8 * 1024 * 1024
MAX_PAGES = 20
TIMEOUT = httpx.Timeout(20, connect=5)
TOTAL_S = 30.0
"""For one call from its first byte to its last: a timeout for each byte alone would let a slow server hold a thread for years."""
PAGES_S = 120.0
AWAY_S = 60.0
LONGEST_REST_S = 3600.0


class Answer:
    """Status, headers and body (at most `MAX_BYTES`) of one call."""

    def __init__(self, status: int, headers: httpx.Headers, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def data(self) -> Any:
        """The body as JSON that can be kept. Raises `Unavailable` for anything else."""
        try:
            return read_json(self.body.decode("utf-8-sig", "replace") or "null")
        except Unreadable as garbled:
            raise Unavailable("The forge's answer cannot be read.") from garbled

    def record(self) -> dict[str, Any]:
        """The body as one JSON object. Raises `Unavailable` for anything else."""
        data = self.data()
        if not isinstance(data, dict):
            raise Unavailable("The forge's answer is not what it should be.")
        return data

    def words(self) -> str:
        """What the forge says in words, for people."""
        try:
            return str(self.data()["message"])[:300]
        except (Unavailable, KeyError, TypeError):
            return f"status {self.status}"


class Api:
    """One account's door to a forge. The token goes to `base` alone and is part of no message."""

    def __init__(self, base: str, token: str, *, loopback: bool, private: Sequence[Network] = ()) -> None:
        self._base, self._token, self._loopback, self._private = base.rstrip("/"), token, loopback, private

    def call(self, method: str, path: str, body: Any = None, *, allowed: tuple[int, ...] = ()) -> Answer:
        """One call of a path below the base address. Statuses that are neither 2xx nor `allowed` raise.

        Raises `RateLimited` with `retry_after`, and `Unavailable` for everything that another time may be different.
        """
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        content = None if body is None else json.dumps(body).encode()
        found = self._send(method, f"{self._base}{path}", headers, content)
        _heed_limits(found)
        if found.status >= 500:
            raise Unavailable(f"The forge is away: {found.words()}.")
        if not 200 <= found.status < 300 and found.status not in allowed:
            raise Unavailable(f"The forge refused {method} {path.partition('?')[0]}: {found.words()} ({found.status}).")
        return found

    def pages(self, path: str, key: str = "") -> Iterator[dict[str, Any]]:
        """Every item of a list (below `key` where the answer is an object), page by page, at most `MAX_PAGES`.

        Raises `Unavailable` for a list of anything but objects, and for one that goes on after that.
        """
        joined, until = "&" if "?" in path else "?", time.monotonic() + PAGES_S
        for page in range(1, MAX_PAGES + 1):
            if time.monotonic() > until:
                raise Unavailable(f"The forge did not list {path.partition('?')[0]} within {PAGES_S:.0f} seconds.")
            found = self.call("GET", f"{path}{joined}per_page=100&page={page}")
            data = found.data()
            items = data.get(key, []) if key and isinstance(data, dict) else data
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise Unavailable("The forge's answer is no list.")
            yield from items
            if 'rel="next"' not in found.headers.get("link", ""):
                return
        raise Unavailable(f"The forge lists more than {MAX_PAGES * 100} at {path.partition('?')[0]}.")

    def text(self, path: str) -> str:
        """The end of a log that the forge keeps elsewhere: one redirect is followed, without the token.

        "" where there is none, and what is wrong, in words, where it cannot be read: a log is never worth a run.
        """
        found = self.call("GET", path, allowed=(302, 401, 403, 404, 410))
        target = found.headers.get("location", "")
        if found.status in (401, 403):
            return f"[The log cannot be read with this token: {found.words()}.]"
        if found.status != 302 or not target:
            return found.body.decode("utf-8", "replace") if found.status == 200 else ""
        try:
            log = self._send("GET", target, {}, None, cut=True)
        except (Unavailable, Invalid) as trouble:
            return f"[The log cannot be read. {trouble.detail}]"
        return log.body.decode("utf-8", "replace") if log.status == 200 else ""

    def _send(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None, *, cut: bool = False
    ) -> Answer:
        return send(method, url, headers, content, loopback=self._loopback, private=self._private, cut=cut)


def send(
    method: str,
    url: str,
    headers: dict[str, str],
    content: bytes | None,
    *,
    loopback: bool,
    private: Sequence[Network] = (),
    cut: bool = False,
) -> Answer:
    """One call of a checked address, no redirect followed. Raises `Invalid` for one that nobody may call, `Unavailable`.

    Of a body that is too large the end is kept with `cut`, as far as it came in time; without it that is `Unavailable`.
    """
    place = checked_place(url, loopback=loopback, private=private)
    try:
        return within(_asked(method, place, headers, content, cut), TOTAL_S, None)
    except TooLong as late:
        raise Unavailable(f"The forge at {place.host} is too slow: {late}") from late
    except httpx.HTTPError as trouble:
        raise Unavailable(f"The forge at {place.host} cannot be reached: {type(trouble).__name__}.") from trouble


async def _asked(method: str, place: Place, headers: dict[str, str], content: bytes | None, cut: bool) -> Answer:
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT) as client,
        client.stream(
            method,
            _pinned(place),
            headers={**headers, "Host": place.parts.netloc, "User-Agent": "guildhall", "Accept-Encoding": "identity"},
            content=content,
            extensions={"sni_hostname": place.host},
        ) as response,
    ):
        return Answer(response.status_code, response.headers, await _bounded(response, cut))


def _pinned(place: Place) -> str:
    """The URL with the checked address in place of the name, which the certificate is still checked against."""
    return place.parts._replace(netloc=place.at).geturl()


async def _bounded(response: httpx.Response, cut: bool) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        # What a kilobyte unpacks to is not known before it is held: nothing is asked for packed.
        raise Unavailable("The forge's answer is packed, and was not asked for so.")
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MAX_BYTES and not cut:
            raise Unavailable(f"The forge's answer is larger than {MAX_BYTES} bytes.")
        del body[:-MAX_BYTES]
    return bytes(body)


def _heed_limits(found: Answer) -> None:
    """The first and the second limit of GitHub: 429, or 403 with nothing left or a time to come back."""
    if found.status not in (403, 429):
        return
    after, left = found.headers.get("retry-after", ""), found.headers.get("x-ratelimit-remaining", "")
    reset = found.headers.get("x-ratelimit-reset", "")
    if found.status == 403 and not after and left != "0":
        return
    seconds = float(after) if after.isdecimal() else AWAY_S
    if not after and reset.isdecimal():
        seconds = float(reset) - time.time()
    raise RateLimited("The forge allows no more calls for now.", retry_after=min(max(seconds, 1.0), LONGEST_REST_S))
