"""Addresses of the owner console below its list of organisations, beside those of the list itself."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from unfold.sites import UnfoldAdminSite

from tenants.web import owner_figures, owner_governance, owner_trail

View = Callable[..., HttpResponse]
ONE = "<int:object_id>/"


def patterns(site: UnfoldAdminSite) -> list[URLPattern]:
    """Each view is called with the console's context, for owners alone."""

    def called(view: View, request: HttpRequest, **named: Any) -> HttpResponse:
        return view(request, site.each_context(request), **named)

    def page(route: str, view: View, name: str) -> URLPattern:
        seen: View = site.admin_view(partial(called, view))
        return path(route, seen, name=f"tenants_{name}")

    return [
        page("figures/", owner_figures.figures_page, "figures"),
        page("governance/", owner_governance.governance_page, "governance"),
        page("governance.json", owner_governance.governance_json, "governance_json"),
        page(f"{ONE}governance/", owner_governance.detail_page, "governance_of"),
        page(f"{ONE}governance.json", owner_governance.detail_json, "governance_of_json"),
        page(f"{ONE}trail/", owner_trail.trail_page, "trail"),
        page(f"{ONE}trail/export/", owner_trail.trail_export, "trail_export"),
        page(f"{ONE}leave/", owner_trail.take_leave, "support"),
        page(f"{ONE}leave/end/", owner_trail.give_back, "support_end"),
    ]
