"""Deployments, routes, prices and the great kill switch in the owner console."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join

from gateway.actions.deployments import (
    FIELDS,
    add_deployment,
    add_price,
    add_route,
    change_deployment,
    change_route,
    remove_route,
)
from gateway.actions.holds import hold_platform, release_platform
from gateway.engines_page import engines_json, engines_page
from gateway.holding import in_all, stopped_by, words_of
from gateway.models import Deployment, PlatformHold, Price, Route
from guildhall.owner.decorators import display
from guildhall.owner.model_admin import Act, GovernedAdmin, acting_on, actor_of, asks
from tenants.web.owner_names import by_name, with_names

RELEASE = Act(
    title="End {}",
    consequence="Agents of every organisation may begin work and call models again. Runs that were stopped "
    "go on by themselves from where they were, and approved merges that waited are carried out, all within a minute. What "
    "an organisation has put on hold itself stays on hold.",
    button="Let all go on",
    done="Agents of every organisation go on.",
    perform=acting_on("hold", release_platform),
)
PARTS = ("model", "version", "valid_from", "tokens_in", "tokens_out", "tokens_cached")


@admin.register(Deployment)
class DeploymentAdmin(GovernedAdmin):
    list_display = ("name", "model", "base_url", "served", "supports_tools", "may_judge", "active", "updated_at")
    list_filter = ("active",)
    search_fields = ("name", "model")
    fields = FIELDS

    def get_urls(self) -> list[URLPattern]:
        seen = self.admin_site.admin_view
        page = path("engines/", seen(self.engines), name="gateway_engines")
        return [page, path("engines.json", seen(engines_json), name="gateway_engines_json"), *super().get_urls()]

    def engines(self, request: HttpRequest) -> HttpResponse:
        """How busy the engines are."""
        return engines_page(request, self.admin_site.each_context(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deployment]:
        rows: QuerySet[Deployment] = super().get_queryset(request)
        return rows.prefetch_related("routes")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name in ("base_url", "usage_url"):
            options["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **options)

    @display("routes")
    def served(self, deployment: Deployment) -> str:
        return ", ".join(f"{route.name} ({route.rank})" for route in deployment.routes.all()) or "none"

    def save_model(self, request: HttpRequest, obj: Deployment, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in FIELDS}
        if change:
            change_deployment(actor=actor_of(request), deployment=obj, values=values)
        else:
            obj.pk = add_deployment(actor=actor_of(request), values=values).pk


@admin.register(Route)
class RouteAdmin(GovernedAdmin):
    list_display = ("name", "rank", "deployment", "served_model")
    list_select_related = ("deployment",)
    list_filter = ("name",)
    fields = ("name", "rank", "deployment")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("name",)

    @display("model")
    def served_model(self, route: Route) -> str:
        return route.deployment.model

    def save_model(self, request: HttpRequest, obj: Route, form: Any, change: bool) -> None:
        actor, rank, deployment = actor_of(request), form.cleaned_data["rank"], form.cleaned_data["deployment"]
        if change:
            change_route(actor=actor, route=obj, rank=rank, deployment=deployment)
        else:
            obj.pk = add_route(actor=actor, name=obj.name, rank=rank, deployment=deployment).pk

    def delete_model(self, request: HttpRequest, obj: Route) -> None:
        remove_route(actor=actor_of(request), route=obj)


@admin.register(Price)
class PriceAdmin(GovernedAdmin):
    """Added, never changed and never deleted; the database refuses that too."""

    list_display = PARTS
    list_filter = ("valid_from",)
    search_fields = ("model", "version")
    fields = PARTS

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        obj.pk = add_price(actor=actor_of(request), **{part: form.cleaned_data[part] for part in PARTS}).pk


@admin.register(PlatformHold)
class PlatformHoldAdmin(GovernedAdmin):
    """Adding one stops the agents of every organisation, with its reason; what has begun stops within seconds."""

    list_display = ("reason", "holder", "held_at", "lifter", "lifted_at", "stopped")
    fields = ("reason", "holder", "held_at", "lifter", "lifted_at", "stopped_by_organisation")
    readonly_fields = ("holder", "lifter", "stopped_by_organisation")
    add_fieldsets = ((None, {"fields": ("reason",)}),)
    actions_detail = ("release",)
    holder = by_name("held_by", "held by")
    lifter = by_name("lifted_by", "lifted by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def get_queryset(self, request: HttpRequest) -> QuerySet[PlatformHold]:
        counted = (
            super()
            .get_queryset(request)
            .annotate(runs=Count("stops"), organisations=Count("stops__tenant", distinct=True))
        )
        return with_names(counted, "held_by", "lifted_by")

    @display("stopped")
    def stopped(self, hold: Any) -> str:
        return in_all(hold.runs, hold.organisations)

    @display("stopped")
    def stopped_by_organisation(self, hold: PlatformHold) -> str:
        lines = [(f"{name}: {words_of(runs, commands, calls)}",) for name, runs, commands, calls in stopped_by(hold)]
        return format_html_join("", "<div>{}</div>", lines) or "No run was under way."

    def save_model(self, request: HttpRequest, obj: PlatformHold, form: Any, change: bool) -> None:
        obj.pk = hold_platform(actor=actor_of(request), reason=form.cleaned_data["reason"]).pk

    release = asks(RELEASE, icon="play_circle")

    def open_acts(self, object_id: Any) -> set[str]:
        return {"release"} if PlatformHold.objects.filter(pk=object_id, lifted_at__isnull=True).exists() else set()
