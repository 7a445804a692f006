"""A tenant's own part of an engine's cache of prompts: how long an answer takes tells it nothing of what others have asked."""

from django.utils.crypto import salted_hmac

from guildhall.kernel.tenancy import current_tenant


def cache_salt() -> str:
    """The current tenant's, which nobody can guess who does not have the platform's secret: 64 hexadecimal digits."""
    return salted_hmac("gateway.salting", current_tenant(), algorithm="sha256").hexdigest()
