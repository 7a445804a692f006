"""A tenant, its host names, and the template that new tenants are made from."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django_tenants.models import DomainMixin, TenantMixin

SLUG = RegexValidator(
    r"^[a-z][a-z0-9]*(-[a-z0-9]+)*\Z", "Use lower-case letters, digits and single hyphens, a letter first."
)
RESERVED_SLUGS = frozenset({"www", "api", "admin", "owner", "static", "mail", "localhost", "guildhall", "platform"})


class TenantStatus(models.TextChoices):
    PROVISIONING = "provisioning", "Being set up"
    ACTIVE = "active", "Active"
    SUSPENDED = "suspended", "Suspended"
    QUARANTINED = "quarantined", "Quarantined"
    ARCHIVING = "archiving", "Being archived"
    ARCHIVED = "archived", "Archived"


ENDED = (TenantStatus.ARCHIVING, TenantStatus.ARCHIVED)
"""An organisation that has left: every door answers as where there never was one, and its names stay taken."""


class Plan(models.TextChoices):
    """How often an organisation and everybody in it may ask; `tenants.web.rates` says what each comes to."""

    SMALL = "small", "Small"
    STANDARD = "standard", "Standard"
    LARGE = "large", "Large"


def schema_for(slug: str) -> str:
    """The schema (and role) name of the tenant `slug`."""
    return "org_" + slug.replace("-", "_")


class Tenant(TenantMixin):  # type: ignore[misc]
    """One organisation: a schema and a role of the same name."""

    auto_create_schema = False
    auto_drop_schema = False

    slug = models.CharField(max_length=40, unique=True, validators=[SLUG])
    name = models.CharField(max_length=120)
    status = models.CharField(max_length=16, choices=TenantStatus.choices, default=TenantStatus.PROVISIONING)
    status_reason = models.CharField(max_length=300, blank=True)
    status_before = models.CharField(
        max_length=16, blank=True, db_default="", help_text="What a quarantined one goes back to."
    )
    plan = models.CharField(max_length=16, choices=Plan.choices, default=Plan.STANDARD, db_default=Plan.STANDARD)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            models.CheckConstraint(name="tenant_plan_known", condition=models.Q(plan__in=Plan.values)),
            models.CheckConstraint(name="tenant_status_known", condition=models.Q(status__in=TenantStatus.values)),
            models.CheckConstraint(name="tenant_schema_form", condition=models.Q(schema_name__startswith="org_")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return f"tenant:{self.slug}"


class Domain(DomainMixin):  # type: ignore[misc]
    """A host name that leads to a tenant."""

    class Meta:
        ordering: ClassVar = ["domain"]

    def __str__(self) -> str:
        return str(self.domain)


class SchemaTemplate(models.Model):
    """SQL that makes a tenant schema, taken from a freshly migrated one; `digest` names those migrations."""

    digest = models.CharField(max_length=64, unique=True)
    sql = models.TextField()
    made_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.digest[:12]
