"""Speaking JSON with a forge's API: one checked address per call, bounded answers, pages followed, limits heeded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from gpu_workers.forges.addresses import Network, Place, checked_place
from guildhall.kernel.errors import RateLimited, Unavailable

MAX_BYTES = 8 * 1024 * 1024
MAX_PAGES = 20
TIMEOUT = httpx.Timeout(20, connect=5)
AWAY_S = 60.0
LONGEST_REST_S = 3600.0


class Answer:
    """Status, headers and body (at most `MAX_BYTES`) of one call."""

    def __init__(self, status: int, headers: httpx.Headers, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def data(self) -> Any:
        """The body as JSON. Raises `Unavailable` for anything else."""
        try:
            return json.loads(self.body or b"null")
        except ValueError as garbled:
            raise Unavailable("The forge's answer cannot be read.") from garbled

    def words(self) -> str:
        """What the forge says in words, for people."""
        try:
            return str(json.loads(self.body)["message"])[:300]
        except (ValueError, KeyError, TypeError):
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

    def pages(self, path: str, key: str = "") -> Iterator[Any]:
        """Every item of a list (below `key` where the answer is an object), page by page, at most `MAX_PAGES`."""
        joined = "&" if "?" in path else "?"
        for page in range(1, MAX_PAGES + 1):
            found = self.call("GET", f"{path}{joined}per_page=100&page={page}")
            data = found.data()
            items = data.get(key, []) if key and isinstance(data, dict) else data
            if not isinstance(items, list):
                raise Unavailable("The forge's answer is no list.")
            yield from items
            if 'rel="next"' not in found.headers.get("link", ""):
                return

    def text(self, path: str) -> str:
        """A log that the forge keeps elsewhere: one redirect is followed, without the token; "" where there is none."""
        found = self.call("GET", path, allowed=(302, 404, 410))
        target = found.headers.get("location", "")
        if found.status == 302 and target:
            found = self._send("GET", target, {}, None)
        return found.body.decode("utf-8", "replace") if found.status == 200 else ""

    def _send(self, method: str, url: str, headers: dict[str, str], content: bytes | None) -> Answer:
        return send(method, url, headers, content, loopback=self._loopback, private=self._private)


def send(
    method: str,
    url: str,
    headers: dict[str, str],
    content: bytes | None,
    *,
    loopback: bool,
    private: Sequence[Network] = (),
) -> Answer:
    """One call of a checked address, no redirect followed. Raises `Invalid` for one that nobody may call, `Unavailable`."""
    place = checked_place(url, loopback=loopback, private=private)
    try:
        with (
            httpx.Client(trust_env=False, follow_redirects=False, timeout=TIMEOUT) as client,
            client.stream(
                method,
                _pinned(place),
                headers={**headers, "Host": place.parts.netloc, "User-Agent": "guildhall"},
                content=content,
                extensions={"sni_hostname": place.host},
            ) as response,
        ):
            return Answer(response.status_code, response.headers, _bounded(response))
    except httpx.HTTPError as trouble:
        raise Unavailable(f"The forge at {place.host} cannot be reached: {type(trouble).__name__}.") from trouble


def _pinned(place: Place) -> str:
    """The URL with the checked address in place of the name, which the certificate is still checked against."""
    return place.parts._replace(netloc=place.at).geturl()


def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_BYTES:
            raise Unavailable(f"The forge's answer is larger than {MAX_BYTES} bytes.")
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
