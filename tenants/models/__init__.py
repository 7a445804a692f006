"""Tenants and identity: shared tables in `public`."""

from tenants.models.archive import TenantArchive
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
from tenants.models.tenant import ENDED, Domain, Plan, SchemaTemplate, Tenant, TenantStatus

__all__ = [
    "ENDED",
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
    "TenantArchive",
    "TenantStatus",
    "User",
]
