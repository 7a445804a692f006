"""Tenants, their host names and people in the owner console."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from guildhall.owner.decorators import display
from guildhall.owner.model_admin import Act, GovernedAdmin, ReasonForm, acting_on, actor_of, asks
from tenants.actions.domains import add_domain, remove_domain
from tenants.actions.tenants import create_tenant, resume_tenant, set_plan, suspend_tenant
from tenants.models import Domain, Membership, Plan, Tenant, User
from tenants.provisioning.provision import host_for
from tenants.web.owner_archives import ARCHIVE
from tenants.web.owner_people import DEACTIVATE, MAKE_OWNER, REACTIVATE, REMOVE_OWNER
from tenants.web.owner_urls import patterns

TONES = {
    "active": "success",
    "suspended": "danger",
    "provisioning": "info",
    "quarantined": "warning",
    "archiving": "info",
}

POSSIBLE: dict[str, set[str]] = {
    "active": {"plan", "suspend"},
    "suspended": {"plan", "resume", "archive"},
    "archiving": set(),
    "archived": set(),
}


class ReadOnlyInline(TabularInline):  # type: ignore[misc]
    """Rows that belong to the object, to look at."""

    extra = 0
    can_delete = False
    show_change_link = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class DomainInline(ReadOnlyInline):
    model = Domain
    verbose_name_plural = "host names"
    fields = ("domain", "is_primary")


class MembershipInline(ReadOnlyInline):
    model = Membership
    verbose_name_plural = "memberships"
    fields = ("who", "tenant", "role_names", "created_at")
    readonly_fields = ("who", "role_names")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        rows: QuerySet[Membership] = super().get_queryset(request)
        return rows.select_related("user", "tenant").defer("user__password").order_by("pk")

    @display("person")
    def who(self, row: Membership) -> str:
        return f"{row.user.name} <{row.user.email}>"

    @display("roles")
    def role_names(self, row: Membership) -> str:
        return ", ".join(row.roles)


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new organisation."""

    host = forms.CharField(
        required=False,
        max_length=253,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Where its people find it; left empty, its short name on this platform's host.",
    )

    class Meta:
        model = Tenant
        fields = ("slug", "name")
        labels: ClassVar = {"slug": "Short name"}
        help_texts: ClassVar = {"slug": "Lower-case letters, digits and single hyphens. It cannot be changed later."}


SUSPEND = Act(
    title="Suspend {}",
    consequence="Everybody is refused at every door of this organisation at once, with your reason word for word. "
    "Its background work stops before its next step. Nothing is deleted.",
    button="Suspend",
    done="{} is suspended.",
    perform=acting_on("tenant", suspend_tenant),
    form=ReasonForm,
    danger=True,
)
RESUME = Act(
    title="Resume {}",
    consequence="Its people can come in again and its work goes on where it stopped.",
    button="Resume",
    done="{} works again.",
    perform=acting_on("tenant", resume_tenant),
    form=ReasonForm,
)


class PlanForm(ReasonForm):
    """Which plan, and why."""

    plan = forms.ChoiceField(choices=Plan.choices, widget=UnfoldAdminSelectWidget())
    field_order = ("plan", "reason")


SET_PLAN = Act(
    title="Change the plan of {}",
    consequence="Its people and keys, each and all together, may ask a quarter (small), as much (standard) or four times as "
    "much (large) a minute as this platform's settings say, from half a minute from now on.",
    button="Change the plan",
    done="{} has another plan.",
    perform=acting_on("tenant", set_plan),
    form=PlanForm,
)


@admin.register(Tenant)
class TenantAdmin(GovernedAdmin):
    form = TenantForm
    list_display = ("name", "slug", "shown_status", "plan", "members", "created_at")
    list_filter = ("status", "plan")
    search_fields = ("name", "slug", "domains__domain")
    add_fieldsets = ((None, {"fields": ("slug", "name", "host")}),)
    fields = ("name", "slug", "schema_name", "status", "status_reason", "plan", "created_at")
    actions_detail = ("suspend", "resume", "set_plan", "archive")

    def get_urls(self) -> list[URLPattern]:
        return [*patterns(self.admin_site), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        rows: QuerySet[Tenant] = super().get_queryset(request)
        counted: QuerySet[Tenant] = rows.annotate(member_count=Count("memberships", distinct=True))
        return counted

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> list[Any]:
        return [DomainInline, MembershipInline] if obj is not None else []

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    @display("status", ordering="status", label=TONES)
    def shown_status(self, tenant: Tenant) -> tuple[str, str]:
        return tenant.status, tenant.get_status_display()

    @display("members", ordering="member_count")
    def members(self, tenant: Any) -> int:
        return int(tenant.member_count)

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        host = form.cleaned_data["host"] or host_for(obj.slug)
        made = create_tenant(actor=actor_of(request), slug=obj.slug, name=obj.name, host=host)
        obj.pk, obj.schema_name = made.pk, made.schema_name

    suspend = asks(SUSPEND, icon="pause_circle")
    resume = asks(RESUME, icon="play_circle")
    archive = asks(ARCHIVE, icon="inventory_2", label="Archive")
    set_plan = asks(SET_PLAN, icon="speed", path="plan")

    def open_acts(self, object_id: Any) -> set[str]:
        status = Tenant.objects.filter(pk=object_id).values_list("status", flat=True).first() or ""
        return POSSIBLE.get(status, {"plan"})


@admin.register(Domain)
class DomainAdmin(GovernedAdmin):
    list_display = ("domain", "tenant", "is_primary")
    list_select_related = ("tenant",)
    search_fields = ("domain", "tenant__name")
    fields = ("domain", "tenant", "is_primary")
    add_fieldsets = ((None, {"fields": ("domain", "tenant")}),)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return obj is None or not getattr(obj, "is_primary", True)

    def save_model(self, request: HttpRequest, obj: Domain, form: Any, change: bool) -> None:
        obj.pk = add_domain(actor=actor_of(request), tenant=obj.tenant, host=obj.domain).pk

    def delete_model(self, request: HttpRequest, obj: Domain) -> None:
        remove_domain(actor=actor_of(request), domain=obj)


@admin.register(User)
class PersonAdmin(GovernedAdmin):
    list_display = ("name", "email", "owner", "active", "second_factor", "organisations", "created_at")
    list_filter = ("is_owner", "is_active")
    search_fields = ("name", "email", "public_id")
    fields = ("name", "email", "public_id", "owner", "active", "second_factor", "created_at")
    readonly_fields = ("owner", "active", "second_factor")
    inlines = (MembershipInline,)
    actions_detail = ("deactivate", "reactivate", "make_owner", "remove_owner")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows: QuerySet[User] = super().get_queryset(request)
        device = TOTPDevice.objects.filter(user_id=OuterRef("pk"), confirmed=True)
        return rows.defer("password").annotate(
            membership_count=Count("memberships", distinct=True), enrolled=Exists(device)
        )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """A filter on the hash in the address bar would read it out letter by letter."""
        return not lookup.startswith("password") and super().lookup_allowed(lookup, value, request)

    @display("owner", boolean=True, ordering="is_owner")
    def owner(self, user: User) -> bool:
        return user.is_owner

    @display("active", boolean=True, ordering="is_active")
    def active(self, user: User) -> bool:
        return user.is_active

    @display("second factor", boolean=True)
    def second_factor(self, user: Any) -> bool:
        return bool(user.enrolled)

    @display("organisations", ordering="membership_count")
    def organisations(self, user: Any) -> int:
        return int(user.membership_count)

    deactivate = asks(DEACTIVATE, icon="person_off")
    reactivate = asks(REACTIVATE, icon="person_check")
    make_owner = asks(MAKE_OWNER, icon="shield_person", path="make-owner")
    remove_owner = asks(REMOVE_OWNER, icon="remove_moderator", path="remove-owner")

    def open_acts(self, object_id: Any) -> set[str]:
        user = User.objects.filter(pk=object_id).values("is_owner", "is_active").first()
        return _possible(**user) if user else set()


def _possible(*, is_owner: bool, is_active: bool) -> set[str]:
    if not is_active:
        return {"reactivate"}
    return {"deactivate", "remove-owner" if is_owner else "make-owner"}
