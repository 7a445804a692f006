"""How organisations are governed, as pages of the owner console and as JSON: counts, kinds and times, never their words."""

from dataclasses import asdict
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from governance.selectors.oversight import Overview
from governance.views import DaySpend
from guildhall.kernel.errors import Conflict
from guildhall.owner.model_admin import actor_of
from tenants.actions.oversight import Seen, Whole, read_detail, read_overviews
from tenants.actions.support import support_grant
from tenants.models import StalledApprovals, Tenant
from tenants.web.owner_figures import LEVELS

PAGE = 20
DAYS = 30
COLUMNS = [
    "Organisation", "Waiting approvals", "Approved, not executed", "Violations", "Limits", "Restricted agents",
    "Policy", "Holds",
]  # fmt: skip


def tenant_named(object_id: int) -> Tenant:
    """The organisation of an address. Raises `Http404`."""
    found: Tenant | None = Tenant.objects.filter(pk=object_id).first()
    if found is None:
        raise Http404("There is no such organisation.")
    return found


def _read(request: HttpRequest) -> tuple[Page[Tenant], list[Seen[Overview]]]:
    """Those with stalled approvals first, then by short name, 20 a page; opening it is written down with the names on it."""
    alarming = dict(StalledApprovals.objects.values_list("tenant_id", "since"))
    rows = sorted(Tenant.objects.all(), key=lambda row: (row.schema_name not in alarming, row.slug))
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return page, read_overviews(actor=actor_of(request), tenants=list(page.object_list))


@require_safe
def governance_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Every organisation in a line."""
    page, read = _read(request)
    more = {
        "title": "Governance",
        "columns": COLUMNS,
        "rows": read,
        "page": page,
        "stalled": sum(StalledApprovals.objects.values_list("number", flat=True)),
        "previous": f"?page={page.previous_page_number()}" if page.has_previous() else "",
        "next": f"?page={page.next_page_number()}" if page.has_next() else "",
    }
    return render(request, "owner/governance.html", {**context, **more})


@never_cache
@require_safe
def governance_json(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The same for programs of the owner's: `{"pages", "page", "organisations": [{slug, name, status, governance}]}`."""
    page, read = _read(request)
    listed = [_head(one.tenant) | {"governance": asdict(one.found) if one.found else None} for one in read]
    return JsonResponse({"pages": page.paginator.num_pages, "page": page.number, "organisations": listed})


def _head(tenant: Tenant) -> dict[str, Any]:
    return {"id": tenant.pk, "slug": tenant.slug, "name": tenant.name, "status": tenant.status}


@require_safe
def detail_page(request: HttpRequest, context: dict[str, Any], object_id: int) -> HttpResponse:
    """One organisation whole: what waits, alarms, violations, limits, agents, policy, kill switches and spend."""
    tenant = tenant_named(object_id)
    try:
        seen: Whole | None = read_detail(actor=actor_of(request), tenant=tenant)
    except Conflict:
        seen = None
    more = {
        "title": f"Governance of {tenant.name}",
        "tenant": tenant,
        "seen": seen,
        "grant": support_grant(actor_of(request), tenant),
        "agents": [(one, LEVELS[one.level]) for one in seen.detail.agents] if seen else [],
        "violations": list(seen.detail.violations.items()) if seen else [],
        "chart": _chart(seen.days) if seen else [],
    }
    return render(request, "owner/organisation.html", {**context, **more})


@never_cache
@require_safe
def detail_json(request: HttpRequest, context: dict[str, Any], object_id: int) -> HttpResponse:
    """The same: `{id, slug, name, status, governance, figures, days}`; the last three None while there is nothing to read."""
    tenant = tenant_named(object_id)
    try:
        seen: Whole | None = read_detail(actor=actor_of(request), tenant=tenant)
    except Conflict:
        seen = None
    parts = {
        "governance": asdict(seen.detail) if seen else None,
        "figures": asdict(seen.figures) if seen else None,
        "days": [asdict(day) for day in seen.days] if seen else None,
    }
    return JsonResponse(_head(tenant) | parts)


def _chart(days: list[DaySpend]) -> list[tuple[str, list[Decimal], bool]]:
    """Spend of each of the last 30 days (UTC), the present one still growing."""
    known = {day.day: day.spent for day in days}
    today = timezone.now().astimezone(UTC).date()
    dates = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    return [(f"{day:%-d %b}", [known.get(day, Decimal(0))], day == today) for day in dates]
