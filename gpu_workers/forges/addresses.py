"""Which addresses the platform talks to for a tenant: public hosts over https, and what they resolve to is held on to.

A name is resolved once per call and the call goes to the address that was looked at, so that no second answer of a name
server leads it into our own network.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from guildhall.kernel.errors import Invalid, Unavailable


@dataclass(frozen=True, slots=True)
class Place:
    """A checked address: the URL's parts, and the IP address to connect to."""

    parts: SplitResult
    host: str
    port: int
    address: str

    @property
    def at(self) -> str:
        """Address and port as a URL has them."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
UNICAST = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given to public hosts (RFC 4291 and IANA's registry); outside of it `is_global` says too much."""
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Where NAT64 has the whole of IPv4 (RFC 6052)."""


def checked_place(url: str, *, loopback: bool, private: Sequence[Network] = ()) -> Place:
    """Where `url` leads. With `loopback` also plain http on this machine itself, which tests need.

    `private` are networks of our own that are opened on purpose, also for plain http; everything else is public.
    Raises `Invalid` for an address that nobody may have us call, `Unavailable` where the name is not known now.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as wrong:
        raise _refused("Give an address like https://api.github.com; its port is between 1 and 65535.") from wrong
    host = parts.hostname or ""
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused("Give an address like https://api.github.com, without a user or a password in it.")
    if parts.scheme not in ("https", "http") or (parts.scheme == "http" and not (loopback or private)):
        raise _refused("Only https is spoken with other hosts.")
    found = resolved(host, port or (443 if parts.scheme == "https" else 80))
    refuse_private(host, found, loopback=loopback, private=private, plain=parts.scheme == "http")
    return Place(parts, host, port or (443 if parts.scheme == "https" else 80), found[0])


def refuse_private(
    host: str, found: Sequence[str], *, loopback: bool, private: Sequence[Network] = (), plain: bool = False
) -> None:
    """Raise `Invalid` unless every address that `host` leads to may be connected to."""
    if not found or not all(_may(address, loopback=loopback, private=private, plain=plain) for address in found):
        raise _refused(f"{host} is not a public host.")


def resolved(host: str, port: int) -> list[str]:
    """The IP addresses that a name leads to now. Raises `Unavailable`."""
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as unknown:
        raise Unavailable(f"The host {host} is not known now.") from unknown
    return list(dict.fromkeys(str(row[4][0]).partition("%")[0] for row in rows))


def _may(address: str, *, loopback: bool, private: Sequence[Network], plain: bool) -> bool:
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _uncoated(ip)
    if any(ip in network for network in private):
        return True
    if ip.is_loopback:
        return loopback
    if ip.version == 6 and ip not in UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not plain


def _uncoated(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 address in another coat is judged as what it is, also where a gateway translates it."""
    if ip in TRANSLATED:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _refused(why: str) -> Invalid:
    return Invalid(why, fields={"api_url": [why]})
