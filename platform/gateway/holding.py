"""What governance asks before anything is begun or spent in an organisation: whether the platform itself is on hold."""

from gateway.models import PlatformHold
from governance.views import HoldView


def platform_hold() -> HoldView | None:
    """The owner's kill switch, or None. Readable in every tenant's scope."""
    row = PlatformHold.objects.filter(lifted_at__isnull=True).first()
    return HoldView(row.pk, "platform", "", row.reason, row.held_by, row.held_at) if row else None
