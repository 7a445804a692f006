"""What governance brings to the portal: the approvals' badge, the dashboard's panels, the budget in the sidebar."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from governance.hold_targets import may_pause
from governance.scopes import ScopeKind, Window
from governance.selectors import budgets, is_held, pending_for, spend_per_hour
from governance.selectors.approvals import pending_and_alarming
from governance.views import ApprovalView, BudgetView
from governance.web.shown import shown
from guildhall.kernel.actor import Actor
from guildhall.portal.registry import (
    Badge,
    Hit,
    NavItem,
    Panel,
    once_a_page,
    register_address,
    register_nav,
    register_panel,
    register_search,
)

ON_DASHBOARD = 5
HOURS_SHOWN = 8


def is_team(actor: Actor) -> bool:
    """Whether the actor is more than a client; costs are not shown to clients."""
    return bool(actor.roles - {"client"})


def waiting_badge(actor: Actor) -> Badge | None:
    return Badge(sum(map(len, on_the_desk(actor))), "waiting", waits=True)


@once_a_page
def on_the_desk(actor: Actor) -> tuple[list[ApprovalView], list[ApprovalView]]:
    """What waits for the actor to decide, and what alarms those who can have it tried again."""
    waiting, alarming = pending_and_alarming(actor)
    return waiting, alarming if may_pause(actor) else []


def waiting_panel(actor: Actor, about: Any) -> dict[str, Any]:
    """What waits for the actor to decide."""
    waiting, _ = on_the_desk(actor)
    number = len(waiting)
    words = f"{number} decision{'s wait' if number != 1 else ' waits'} for you."
    return {
        "approvals": shown(waiting[:ON_DASHBOARD]),
        "number": number,
        "summary": words if number else "Nothing waits for you.",
    }


@once_a_page
def tenant_limits(actor: Actor) -> tuple[BudgetView | None, BudgetView | None]:
    """The organisation's limits of the day and of the hour, where there are any."""
    windows = {limit.window: limit for limit in budgets(kind=ScopeKind.TENANT)}
    return windows.get(Window.DAY), windows.get(Window.HOUR)


def budget_foot(actor: Actor, about: Any) -> dict[str, Any] | None:
    """Today's spend of its limit, and the switch that stops everything."""
    if not is_team(actor):
        return None
    day, _ = tenant_limits(actor)
    return {"day": day, "held": is_held(), "may_pause": may_pause(actor)}


def spend_panel(actor: Actor, about: Any) -> dict[str, Any] | None:
    """Today's spend, hour by hour."""
    if not is_team(actor):
        return None
    now = timezone.now()
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS_SHOWN - 1)
    spent = spend_per_hour(since)
    hours = [since + timedelta(hours=number) for number in range(HOURS_SHOWN)]
    bars = [
        (f"{hour:%H}", [spent.get(hour, Decimal(0))], number == HOURS_SHOWN - 1) for number, hour in enumerate(hours)
    ]
    day, hour = tenant_limits(actor)
    name, (most,), _ = max(bars, key=lambda bar: bar[1])
    finding = f"Spend per hour, UTC. Highest: ${most:,.2f} at {name}:00." if most else "No spend in 8 hours."
    return {"day": day, "hour": hour, "bars": bars, "finding": finding, "any": bool(most)}


def find_approvals(actor: Actor, text: str) -> list[Hit]:
    """Approvals that wait for the actor and contain `text`."""
    return [
        Hit(item.view.title, item.url, item.icon, "Waiting for you")
        for item in shown(pending_for(actor))
        if text.lower() in item.view.title.lower()
    ][:ON_DASHBOARD]


def register() -> None:
    """Called once the apps are ready."""
    live = "approval:*"
    register_nav(
        NavItem("Approvals", "checklist", "/approvals/", 20, key="a", tab=True, badge=waiting_badge, live=live)
    )
    register_panel(
        Panel("waiting", "dashboard.main", "governance/_waiting_panel.html", 10, waiting_panel, live="approval:*")
    )
    register_panel(
        Panel(
            "spend",
            "dashboard.aside",
            "governance/_spend_panel.html",
            10,
            spend_panel,
            live="reservation:* budget:*",
            every=5000,
        )
    )
    register_panel(
        Panel(
            "budget-mini",
            "sidebar.foot",
            "governance/_budget_mini.html",
            10,
            budget_foot,
            live="reservation:* budget:* tenant",
            every=5000,
        )
    )
    register_nav(NavItem("Costs", "coin", "/costs/", 80, "Govern", "o", shown_to=is_team))
    register_nav(NavItem("Audit", "shield-check", "/audit/", 95, "Govern", shown_to=is_team))
    register_address("approval", lambda number: f"/approvals/{number}/")
    register_search(find_approvals)
