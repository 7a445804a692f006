"""Every cache key carries the tenant in whose scope it was made; outside any scope, keys are the host look-up's own."""

from guildhall.kernel.tenancy import current_scope_name


def tenant_key(key: str, key_prefix: str, version: int) -> str:
    """Django's KEY_FUNCTION."""
    return f"gh:{current_scope_name() or 'nowhere'}:{key_prefix}:{version}:{key}"
