"""One HTTP request of a tool: every address on the way is checked and then used as it was checked; size and time are capped."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpx

from gpu_workers.forges.addresses import Place, checked_place
from gpu_workers.reach.bounds import Reach
from gpu_workers.reach.deadline import TooLong, within
from guildhall.kernel.errors import Invalid, Unavailable

MAX_BYTES = 1024 * 1024
MAX_REDIRECTS = 5
TOTAL_S = 30.0
TIMEOUT = httpx.Timeout(10, connect=5)
REDIRECTS = (301, 302, 303, 307, 308)


class FetchError(RuntimeError):
    """There is no answer; the message says why. `forbidden` where the address may not be asked at all."""

    def __init__(self, why: str, *, forbidden: bool = False) -> None:
        super().__init__(why)
        self.forbidden = forbidden


@dataclass(frozen=True, slots=True)
class Fetching:
    """What to ask for."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The answer. `body` has at most `MAX_BYTES`, `cut` says that there is more; `url` is where it came from in the end."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes
    cut: bool


def fetch(wanted: Fetching, reach: Reach, cancel: threading.Event | None = None) -> Fetched:
    """Ask, and follow redirects within the same bounds. Raises FetchError.

    A first address outside of the bounds is refused before anything is sent.
    """
    place = checked(wanted.url, reach)
    try:
        return within(_follow(wanted, place, reach), TOTAL_S, cancel)
    except TooLong as late:
        raise FetchError(str(late)) from late


def checked(url: str, reach: Reach) -> Place:
    """Where `url` leads. Raises FetchError, `forbidden` where nobody may be sent there."""
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError as garbled:
        raise FetchError(f"{url[:100]!r} is no address.", forbidden=True) from garbled
    host = parts.hostname or ""
    if not reach.may(host, port):
        raise FetchError(f"The policy does not list {host[:100]!r}, port {port}.", forbidden=True)
    try:
        return checked_place(url, loopback=False, private=reach.private)
    except Invalid as refused:
        raise FetchError(refused.detail, forbidden=True) from refused
    except Unavailable as unknown:
        raise FetchError(unknown.detail) from unknown


async def _follow(wanted: Fetching, place: Place, reach: Reach) -> Fetched:
    for _ in range(MAX_REDIRECTS + 1):
        found = await _send(wanted, place)
        target = found.headers.get("location", "")
        if found.status not in REDIRECTS or not target:
            return found
        url = _joined(wanted.url, target)
        there = checked(url, reach)
        wanted, place = (
            _next(wanted, found.status, url, same=(there.host, there.port) == (place.host, place.port)),
            there,
        )
    raise FetchError(f"It was sent on more than {MAX_REDIRECTS} times.")


def _joined(base: str, target: str) -> str:
    """Where a redirect leads. Raises FetchError for what is no address."""
    try:
        return urljoin(base, target)
    except ValueError as garbled:
        raise FetchError(f"It was sent on to {target[:100]!r}, which is no address.", forbidden=True) from garbled


def _next(wanted: Fetching, status: int, url: str, *, same: bool) -> Fetching:
    """What to ask after a redirect. Another host gets neither headers nor a body that were meant for this one."""
    keeps = status in (307, 308) or wanted.method in ("GET", "HEAD")
    if not same and keeps and wanted.body:
        raise FetchError("It was sent on to another host with what was sent; that is not done.")
    headers = wanted.headers if same else {}
    return Fetching(wanted.method if keeps else "GET", url, headers, wanted.body if keeps else "")


async def _send(wanted: Fetching, place: Place) -> Fetched:
    headers = {**wanted.headers, "Host": place.parts.netloc, "User-Agent": "guildhall", "Accept-Encoding": "identity"}
    content = wanted.body.encode() if wanted.body else None
    try:
        async with (
            httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT) as client,
            client.stream(
                wanted.method,
                place.parts._replace(netloc=place.at).geturl(),
                headers=headers,
                content=content,
                extensions={"sni_hostname": place.host},
            ) as response,
        ):
            body, cut = await _bounded(response)
            return Fetched(response.status_code, wanted.url, dict(response.headers), body, cut)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as trouble:
        raise FetchError(f"{place.host} cannot be asked: {type(trouble).__name__}.") from trouble


async def _bounded(response: httpx.Response) -> tuple[bytes, bool]:
    """The body as it was sent: packed bytes stay packed, since a few of them can be a great many."""
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MAX_BYTES:
            return bytes(body[:MAX_BYTES]), True
    return bytes(body), False
