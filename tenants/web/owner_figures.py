"""What organisations spend and how their agents stand, as a page of the owner console: numbers, never what they wrote."""

from decimal import Decimal
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.scoring import PermissionLevel
from guildhall.owner.model_admin import actor_of
from tenants.actions.figures import read_figures
from tenants.models import Tenant

PAGE = 20
COLUMNS = ["Organisation", "Today", "Limit a day", "30 days", "Calls", "Agents by level", "Restricted", "Scores"]
LEVELS = {
    PermissionLevel.SANDBOX_ONLY: "sandbox",
    PermissionLevel.STAGING_ACCESS: "staging",
    PermissionLevel.PROD_LOW_RISK: "prod, low risk",
    PermissionLevel.PROD_FULL_ACCESS: "prod",
}


@require_safe
def figures_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Organisations by short name, 20 a page; opening it is written down with the names that are on it."""
    page = Paginator(Tenant.objects.order_by("slug"), PAGE).get_page(request.GET.get("page"))
    read = read_figures(actor=actor_of(request), tenants=list(page.object_list))
    rows = [
        (
            one.tenant,
            one.figures,
            [f"{number} {LEVELS[level]}" for level, number in one.figures.levels.items() if number]
            if one.figures
            else [],
        )
        for one in read
    ]
    known = [one.figures for one in read if one.figures]
    more = {
        "title": "Costs and agents",
        "columns": COLUMNS,
        "rows": rows,
        "page": page,
        "today": sum((one.today for one in known), Decimal(0)),
        "month": sum((one.month for one in known), Decimal(0)),
        "previous": f"?page={page.previous_page_number()}" if page.has_previous() else "",
        "next": f"?page={page.next_page_number()}" if page.has_next() else "",
    }
    return render(request, "owner/figures.html", {**context, **more})
