"""What organisations bring to the first page of the owner console: approvals that were given and are not executed."""

from django.urls import reverse

from guildhall.owner.alarms import Alarm
from tenants.models import StalledApprovals

NAMED = 20


def stalled_alarms() -> list[Alarm]:
    """One for each organisation, the longest first, `NAMED` at most; then how many more there are."""
    rows = StalledApprovals.objects.select_related("tenant").order_by("since")
    found = [
        Alarm(
            f"{row.tenant.name}: {row.number} approval{'' if row.number == 1 else 's'} given and not executed, "
            f"the first on {row.since:%-d %b, %H:%M} UTC",
            reverse("admin:tenants_governance_of", args=[row.tenant.pk]),
            "Look at it",
        )
        for row in rows[:NAMED]
    ]
    more = rows.count() - NAMED if len(found) == NAMED else 0
    if more > 0:
        place = reverse("admin:tenants_governance")
        found.append(Alarm(f"Approvals of {more} more organisations are given and not executed", place, "All of them"))
    return found
