"""How often somebody may ask: by address while signed out, else by key or person and by organisation, as its plan says.

Answers say how the tightest limit stands in the fields of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy`
(what is allowed: `q` requests in `w` seconds) and `RateLimit` (`r` left now, more after `t` seconds).
"""

import hashlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import RateLimited
from guildhall.kernel.operation import current_operation
from guildhall.kernel.rates import Answer, Rate, limiter
from tenants.auth.api import bearer_of
from tenants.auth.hosts import TenantFacts, is_public, parse_host, tenant_at
from tenants.models import Plan
from tenants.web.middleware import FRONT_PEERS
from tenants.web.refusals import refuse
from tenants.web.requests import PlacedRequest
from tenants.web.ws import one_header

NOT_COUNTED = ("/health", "/readiness", "/static/")
SHARES = {Plan.SMALL: Fraction(1, 4), Plan.STANDARD: Fraction(1), Plan.LARGE: Fraction(4)}
"""What each plan allows of what the settings say."""
WORDS = {
    "address": "requests a minute from one address without signing in",
    "person": "requests a minute by one person",
    "key": "requests a minute with one key",
    "tenant": "requests a minute by one organisation",
}


class RateMiddleware:
    """Counts every request once it is known who asks; 429 in the form that the caller reads when there were too many."""

    def __init__(self, get_response: Callable[[PlacedRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: PlacedRequest) -> HttpResponse:
        if request.path_info.startswith(NOT_COUNTED):
            return self.get_response(request)
        answer = limiter().take(_rates_of_request(request))
        if answer.refused is None:
            return _told(self.get_response(request), answer)
        error = too_many(answer)
        return _told(refuse(request, error), answer, error.extra["retry_after"])


def rates_of(actor: Actor, key: str = "", *, plan: str = Plan.STANDARD) -> list[Rate]:
    """The limits of a signed-in actor whose organisation has `plan`; `key` stands for the API key that is used, if one is."""
    kind, whose = ("key", key) if key else ("person", f"{actor.tenant}:{actor.ref}")
    share = SHARES[Plan(plan)]
    return [
        Rate(kind, whose, max(1, int(settings.RATE_PERSON * share))),
        Rate("tenant", actor.tenant, max(1, int(settings.RATE_TENANT * share))),
    ]


def rates_of_address(address: str) -> list[Rate]:
    """The limit of whoever has not signed in."""
    return [Rate("address", address or "unknown", settings.RATE_SIGNED_OUT)]


def too_many(answer: Answer) -> RateLimited:
    """The refusal that a full limit is answered with."""
    assert answer.refused is not None
    rate = answer.refused.rate
    seconds = answer.refused.reset
    words = f"{rate.limit} {WORDS[rate.name]} are allowed. Try again in {seconds} second{'s' if seconds != 1 else ''}."
    return RateLimited(words, retry_after=seconds)


def count_socket(scope: dict[str, Any], actor: Actor | None) -> None:
    """A websocket that is opened counts like a request. Raises `RateLimited`."""
    if actor is None:
        rates = rates_of_address(_address(scope))
    else:
        host = parse_host(one_header(scope, b"host"))
        rates = rates_of(actor, plan=_plan(None if is_public(host) else tenant_at(host)))
    answer = limiter().take(rates)
    if answer.refused is not None:
        raise too_many(answer)


def _address(scope: dict[str, Any]) -> str:
    peer = str((scope.get("client") or ("", 0))[0])
    told = [value.decode("latin-1") for name, value in scope.get("headers", []) if name.lower() == b"x-real-ip"]
    return told[0].strip() if peer in FRONT_PEERS and told else peer


def _rates_of_request(request: PlacedRequest) -> list[Rate]:
    header = request.META.get("HTTP_AUTHORIZATION", "")
    member = bearer_of(request) if header else None
    if member is not None and member.actor.via == "api_key":
        return rates_of(member.actor, hashlib.sha256(header.encode()).hexdigest()[:24], plan=_plan(request.tenant))
    actor: Any = member.actor if member is not None else (None if header else request.actor)
    if actor is None:
        return rates_of_address(current_operation().address)
    return rates_of(actor, plan=_plan(request.tenant))


def _plan(tenant: TenantFacts | None) -> str:
    """The platform's own people have the standard one."""
    return tenant.plan if tenant is not None else Plan.STANDARD


def _told(response: HttpResponse, answer: Answer, retry_after: int | None = None) -> HttpResponse:
    standing = answer.tightest
    rate = standing.rate
    response["RateLimit-Policy"] = f'"{rate.name}";q={rate.limit};w={rate.window}'
    response["RateLimit"] = f'"{rate.name}";r={standing.left};t={standing.reset}'
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response
