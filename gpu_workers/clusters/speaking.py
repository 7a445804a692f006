"""Speaking with the API server of a cluster: one judged address, one certificate authority, bounded answers, no redirect."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from gpu_workers.forges.addresses import Network, Place, checked_place
from gpu_workers.plans.documents import listing, mapping
from guildhall.kernel.errors import Invalid

MAX_BYTES = 4 * 1024 * 1024
TIMEOUT = httpx.Timeout(15, connect=5)
WORDS = 400
JSON = "application/json"
METADATA = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""What is accepted where nothing of an object but its metadata is to be sent."""


class ClusterError(RuntimeError):
    """There is no answer to go by; the message says why."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One namespace of a cluster. `ca` (DER): the server's certificate has to be signed by it and to bear the server's name."""

    api_url: str
    namespace: str
    ca: bytes = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to one call: an object, or a `Status` where it refuses."""

    status: int
    data: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """A refusal in the server's words, with each of its causes."""
        causes = [mapping(one) for one in listing(mapping(self.data.get("details")).get("causes"))]
        told = [f"{one.get('field', '')} {one.get('message', '')}".strip() for one in causes[:5]]
        said = str(self.data.get("message") or f"status {self.status}")
        why = "; ".join(told)[:WORDS]
        return plain(f"{said[:WORDS]} ({why})" if why else said[:WORDS])


class Api:
    """An open door to one cluster. The token goes to the judged address alone and is part of no message."""

    def __init__(self, client: httpx.AsyncClient, place: Place, token: str) -> None:
        self._client, self._place, self._token = client, place, token

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        form: str = JSON,
        accept: str = JSON,
    ) -> Answer:
        """One call of a path of the server. Refusals of the thing asked come as an answer; raises ClusterError for others."""
        place = self._place
        parts = place.parts._replace(netloc=place.at, path=f"{place.parts.path.rstrip('/')}{path}")
        headers = {
            "Accept": accept,
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {self._token}",
            "Content-Type": form,
            "Host": place.parts.netloc,
            "User-Agent": "guildhall",
        }
        content = None if body is None else json.dumps(body).encode()
        try:
            async with self._client.stream(
                method,
                parts.geturl(),
                params=query,
                headers=headers,
                content=content,
                extensions={"sni_hostname": place.host},
            ) as response:
                return _read(response.status_code, await _bounded(response))
        except httpx.ConnectError as trouble:
            why = "does not prove itself by this certificate" if _is_tls(trouble) else "cannot be reached"
            raise ClusterError(f"The cluster at {place.host} {why}.") from trouble
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as trouble:
            raise ClusterError(f"The cluster at {place.host} cannot be asked: {type(trouble).__name__}.") from trouble


def plain(text: str) -> str:
    """What a server says as one line in which everything is seen: it stands in questions to people."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def judged(api_url: str, private: Sequence[Network]) -> Place:
    """Where the server is, at the IP address that was looked at. Raises `Invalid`, `Unavailable`."""
    if not api_url.startswith("https://"):
        problem = "Only https is spoken with a cluster."
        raise Invalid(problem, fields={"api_url": [problem]})
    return checked_place(api_url, loopback=False, private=private)


@asynccontextmanager
async def speaking(cluster: Cluster, place: Place) -> AsyncIterator[Api]:
    """The door to `cluster` at `place`, which was judged. Raises ClusterError where its certificates cannot be read."""
    try:
        context = ssl.create_default_context(cadata=cluster.ca)
    except (ssl.SSLError, ValueError) as garbled:
        raise ClusterError("The certificate of the cluster cannot be read.") from garbled
    async with httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False, timeout=TIMEOUT) as client:
        yield Api(client, place, cluster.token)


def _read(status: int, body: bytes) -> Answer:
    if 300 <= status < 400:
        raise ClusterError(f"The cluster sends us elsewhere (status {status}), where no token is taken.")
    try:
        data = json.loads(body or b"null")
    except (ValueError, RecursionError):
        data = None
    found = Answer(status, data if isinstance(data, dict) else {})
    if status == 401:
        raise ClusterError("The cluster does not accept the token.")
    if status == 429 or status >= 500:
        raise ClusterError(f"The cluster cannot answer now: {found.words}.")
    if found.ok and not isinstance(data, dict):
        raise ClusterError("The cluster's answer is no object of Kubernetes.")
    return found


async def _bounded(response: httpx.Response) -> bytes:
    """The body as it was sent; packed bytes stay packed, since a few of them can be a great many."""
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MAX_BYTES:
            raise ClusterError(f"The cluster's answer is larger than {MAX_BYTES} bytes.")
    return bytes(body)


def _is_tls(trouble: BaseException) -> bool:
    """Whether it is the certificate that was not believed, however deep that lies."""
    cause: BaseException | None = trouble
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
