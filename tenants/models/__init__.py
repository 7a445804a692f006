"""Tenants and identity: shared tables in `public`."""

from tenants.models.identity import ApiKey, Comember, Invitation, Membership, RefreshToken, Session, User
from tenants.models.tenant import Domain, SchemaTemplate, Tenant, TenantStatus

__all__ = [
    "ApiKey",
    "Comember",
    "Domain",
    "Invitation",
    "Membership",
    "RefreshToken",
    "SchemaTemplate",
    "Session",
    "Tenant",
    "TenantStatus",
    "User",
]
