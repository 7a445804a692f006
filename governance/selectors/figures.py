"""What one tenant spent and how its agents stand, as numbers alone: nothing that its people or agents wrote or named."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal

from django.db.models import Count, Q, Sum
from django.utils import timezone

from governance.models import AgentStanding, LedgerEntry
from governance.scopes import ScopeKind, Window
from governance.scoring import PermissionLevel, is_restricted, level_of
from governance.selectors.money import budgets

DAYS = 30


@dataclass(frozen=True, slots=True)
class Figures:
    """Spend in US dollars of today and of the last 30 days (UTC), the present day's limit (None where it is not used
    yet), charged calls, and how many agents with a history stand on each level."""

    today: Decimal
    month: Decimal
    calls: int
    day_limit: Decimal | None
    levels: Mapping[PermissionLevel, int]
    restricted: int
    lowest: int | None
    highest: int | None


def figures() -> Figures:
    """The current tenant's figures; four queries at most."""
    midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    money = LedgerEntry.objects.filter(counted_at__gte=midnight - timedelta(days=DAYS - 1)).aggregate(
        today=Sum("spent_delta", filter=Q(counted_at__gte=midnight)),
        month=Sum("spent_delta"),
        calls=Count("pk", filter=Q(kind="commit")),
    )
    day = next((one for one in budgets(kind=ScopeKind.TENANT) if one.window == Window.DAY), None)
    scores = list(AgentStanding.objects.values_list("score", flat=True))
    levels = dict.fromkeys(PermissionLevel, 0)
    for score in scores:
        levels[level_of(score)] += 1
    return Figures(
        today=money["today"] or Decimal(0),
        month=money["month"] or Decimal(0),
        calls=money["calls"],
        day_limit=day.limit if day else None,
        levels=levels,
        restricted=sum(map(is_restricted, scores)),
        lowest=min(scores, default=None),
        highest=max(scores, default=None),
    )
