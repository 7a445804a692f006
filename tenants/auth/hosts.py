"""From a Host header to a tenant. Forwarded headers have no say in it."""

import re
import time
from dataclasses import dataclass
from threading import Lock

from django.conf import settings
from django.db import connection

from guildhall.kernel.errors import GuildhallError
from guildhall.kernel.tenancy import current_scope_name

HOST = re.compile(
    r"(?=.{1,253}(?::|\Z))(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
PORT = re.compile(r":[0-9]{1,5}\Z")
KEPT_SECONDS = 30.0
KEPT_HOSTS = 4096


class BadHost(GuildhallError):
    """The Host header is missing, doubled or not a host name."""

    status = 400
    code = "bad_host"
    title = "Bad host"


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """What of a tenant seldom changes; its status is never part of it.

    `plan` counts for its rates, where half a minute more or less is nobody's harm.
    """

    id: int
    schema: str
    slug: str
    name: str
    plan: str


_kept: dict[str, tuple[float, TenantFacts]] = {}
_kept_lock = Lock()


def parse_host(raw: str | None) -> str:
    """The lower-case host name of a Host header's value, without its port. Raises `BadHost`."""
    value = (raw or "").lower()
    match = HOST.match(value)
    if match is None:
        raise BadHost("The Host header does not name a host.")
    rest = value[match.end() :]
    if rest and not PORT.fullmatch(rest):
        raise BadHost("The Host header does not name a host.")
    return match.group()


def host_problems(host: str) -> list[str]:
    """Why `host` cannot be an organisation's host name; empty when it can."""
    try:
        named = parse_host(host) == host
    except BadHost:
        named = False
    if not named:
        return ["Give a host name: labels of letters, digits and hyphens with dots between, no port."]
    if is_public(host):
        return ["This is the platform's own host."]
    return []


def is_public(host: str) -> bool:
    """Whether `host` is the platform's own."""
    return host == str(settings.PUBLIC_HOST).lower()


def tenant_at(host: str) -> TenantFacts | None:
    """The tenant that `host` leads to, known in this process for 30 s; None when it leads nowhere.

    Asked outside of any scope: the bare login may call this one function and read nothing else.
    """
    if current_scope_name() is not None:
        raise RuntimeError("a host is looked up before a scope is entered")
    now = time.monotonic()
    known = _kept.get(host)
    if known is not None and known[0] > now:
        return known[1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, schema_name, slug, name, plan FROM tenant_of_host(%s)", [host])
        row = cursor.fetchone()
    if row is None:
        return None
    facts = TenantFacts(*row)
    with _kept_lock:
        if len(_kept) >= KEPT_HOSTS:
            _kept.clear()
        _kept[host] = (now + KEPT_SECONDS, facts)
    return facts
