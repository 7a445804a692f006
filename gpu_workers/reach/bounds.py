"""Where tools may connect to: the tenant's policy names hosts, the installation alone opens private networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from gpu_workers.forges.addresses import Network


@dataclass(frozen=True, slots=True)
class Reach:
    """`may` says whether the policy lists a host and port. `private` are networks of our own that may be reached.

    Both have to allow it: a policy that lists a name does not open what the name leads to inside of our network.
    """

    may: Callable[[str, int], bool]
    private: tuple[Network, ...] = ()


def networks(listed: str) -> tuple[Network, ...]:
    """Networks from a list with commas, such as `10.1.0.0/16,fd00::/8`. Raises ValueError for what is none."""
    return tuple(ipaddress.ip_network(part.strip()) for part in listed.split(",") if part.strip())
