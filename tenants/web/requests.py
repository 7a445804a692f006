"""The type of a request after the middleware of this app."""

from typing import Any

from django.http import HttpRequest

from guildhall.kernel.actor import Actor
from tenants.auth.hosts import TenantFacts


class PlacedRequest(HttpRequest):
    """A request that knows its host and who is asking. `user` is a Member, an owner's User or AnonymousUser."""

    tenant: TenantFacts | None
    actor: Actor | None
    user: Any
