"""Tenants and identity: shared tables in `public`."""

from tenants.models.identity import (
    ApiKey,
    Comember,
    HandOff,
    Invitation,
    Membership,
    PasswordReset,
    RefreshToken,
    Session,
    User,
)
from tenants.models.oversight import StalledApprovals, SupportGrant
from tenants.models.tenant import Domain, Plan, SchemaTemplate, Tenant, TenantStatus

__all__ = [
    "ApiKey",
    "Comember",
    "Domain",
    "HandOff",
    "Invitation",
    "Membership",
    "PasswordReset",
    "Plan",
    "RefreshToken",
    "SchemaTemplate",
    "Session",
    "StalledApprovals",
    "SupportGrant",
    "Tenant",
    "TenantStatus",
    "User",
]
