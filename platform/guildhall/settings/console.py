"""The owner console's skin (django-unfold): the portal's colours, and its menu."""

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import lazy


def _item(title: str, icon: str, view: str, says: str) -> dict[str, Any]:
    """An entry of the menu; `says` is what the first page tells of it."""
    link = reverse_lazy(f"admin:{view}")
    return {"title": title, "icon": icon, "link": link, "says": says, "active": partial(_is_current, link)}


def _is_current(link: Any, request: HttpRequest) -> bool:
    """Whether the item leads to the page, or of all items to the nearest above it: one path may begin with another."""
    links = [str(item["link"]) for group in UNFOLD["SIDEBAR"]["navigation"] for item in group["items"]]
    return str(link) == max((one for one in links if request.path.startswith(one)), key=len, default=None)


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Guildhall",
    "SITE_HEADER": "Guildhall",
    "SITE_SUBHEADER": "Owner console",
    "SITE_URL": None,
    "SITE_ICON": lazy(static, str)("gh/mark.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lazy(static, str)("gh/mark.svg")}],
    "STYLES": [lambda request: static("gh/console.css")],
    "SCRIPTS": [lambda request: static("gh/console.js")],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "7px",
    "ACCOUNT": {"navigation": [{"title": "Account and second factor", "link": reverse_lazy("account-security")}]},
    "COLORS": {
        "base": {
            "50": "oklch(98.3% .0025 255)",
            "100": "oklch(96.9% .004 255)",
            "200": "oklch(92.4% .006 255)",
            "300": "oklch(87% .009 255)",
            "400": "oklch(69.5% .013 262)",
            "500": "oklch(52% .018 260)",
            "600": "oklch(45% .018 260)",
            "700": "oklch(35% .016 262)",
            "800": "oklch(28.2% .013 262)",
            "900": "oklch(21% .010 262)",
            "950": "oklch(17.6% .008 262)",
        },
        "primary": {
            "50": "oklch(97.6% .012 264)",
            "100": "oklch(95.2% .024 264)",
            "200": "oklch(90% .050 264)",
            "300": "oklch(82% .082 264)",
            "400": "oklch(72% .115 264)",
            "500": "oklch(61% .150 266)",
            "600": "oklch(49.5% .146 264)",
            "700": "oklch(44.5% .146 264)",
            "800": "oklch(38% .125 264)",
            "900": "oklch(32% .095 264)",
            "950": "oklch(24% .065 264)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "command_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Organisations",
                "items": [
                    _item(
                        "Tenants",
                        "domain",
                        "tenants_tenant_changelist",
                        "Organisations: add one, suspend it, export it, remove it",
                    ),
                    _item(
                        "Host names",
                        "language",
                        "tenants_domain_changelist",
                        "Under which names organisations are reached",
                    ),
                    _item(
                        "Archives",
                        "inventory_2",
                        "tenants_tenantarchive_changelist",
                        "What was exported, until it is removed",
                    ),
                    _item("People", "group", "tenants_user_changelist", "Who can sign in, and where they belong"),
                    _item(
                        "Costs and agents",
                        "monitoring",
                        "tenants_figures",
                        "Spend, calls and standing of agents, by organisation",
                    ),
                    _item(
                        "Governance",
                        "gavel",
                        "tenants_governance",
                        "Approvals, violations, limits, policies and holds, by organisation",
                    ),
                ],
            },
            {
                "title": "Agents",
                "items": [
                    _item(
                        "Workers and queues",
                        "precision_manufacturing",
                        "fleet_board",
                        "What workers are at, and what waits in queues",
                    ),
                    _item(
                        "Stopped workers and queues",
                        "front_hand",
                        "fleet_stop_changelist",
                        "Who stopped a worker or a queue, and why",
                    ),
                    _item(
                        "Holds",
                        "pan_tool",
                        "gateway_platformhold_changelist",
                        "Stops for all agents of all organisations",
                    ),
                ],
            },
            {
                "title": "Models",
                "items": [
                    _item(
                        "Deployments",
                        "dns",
                        "gateway_deployment_changelist",
                        "Which models run where, and what they can do",
                    ),
                    _item("Engines", "speed", "gateway_engines", "How busy each engine is now"),
                    _item(
                        "Routes",
                        "alt_route",
                        "gateway_route_changelist",
                        "Which deployments serve a route, in which order",
                    ),
                    _item(
                        "Prices", "payments", "gateway_price_changelist", "What a million tokens cost, from which day"
                    ),
                ],
            },
            {
                "title": "Evidence",
                "items": [
                    _item("Audit trail", "fact_check", "audit", "What was done on the platform, and what was refused"),
                    _item(
                        "Event streams",
                        "stream",
                        "streams",
                        "How far events are delivered; letters that nobody could take",
                    ),
                ],
            },
        ],
    },
}
