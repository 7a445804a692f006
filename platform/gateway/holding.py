"""What governance asks before anything is begun or spent in an organisation: whether the platform itself is on hold."""

from django.db.models import Count, Sum
from django.urls import reverse

from gateway.models import PlatformHold, PlatformStop
from governance.views import HoldView
from guildhall.owner.alarms import Alarm

POSSIBLE = "EXISTS (SELECT FROM gateway_platformhold WHERE lifted_at IS NULL)"


def platform_hold() -> HoldView | None:
    """The owner's kill switch, or None. Readable in every tenant's scope."""
    row = PlatformHold.objects.filter(lifted_at__isnull=True).first()
    return HoldView(row.pk, "platform", "", row.reason, row.held_by, row.held_at) if row else None


def hold_alarms() -> list[Alarm]:
    """That everything is on hold, for the owner console's first page."""
    row = PlatformHold.objects.filter(lifted_at__isnull=True).first()
    if row is None:
        return []
    words = f"The agents of every organisation are on hold since {row.held_at:%-d %b, %H:%M} UTC: {row.reason}"
    return [Alarm(words, reverse("admin:gateway_platformhold_change", args=[row.pk]), "The hold, and what it stopped")]


def stopped_by(hold: PlatformHold) -> list[tuple[str, int, int, int]]:
    """What an owner's hold stopped, by organisation: its name, runs, and the commands and calls these were in."""
    rows = PlatformStop.objects.filter(hold=hold).values("tenant__name").order_by("tenant__name")
    counted = rows.annotate(runs=Count("pk"), inside=Sum("commands"), asked=Sum("calls"))
    return [(row["tenant__name"], row["runs"], row["inside"], row["asked"]) for row in counted]


def in_all(runs: int, organisations: int) -> str:
    """Such as: 12 runs of 3 organisations."""
    return f"{_counted(runs, 'run')} of {_counted(organisations, 'organisation')}" if runs else "nothing"


def words_of(runs: int, commands: int, calls: int) -> str:
    """Such as: 3 runs, in the middle of 2 commands and 1 model call."""
    inside = " and ".join(_counted(n, word) for n, word in ((commands, "command"), (calls, "model call")) if n)
    return f"{_counted(runs, 'run')}{f', in the middle of {inside}' if inside else ''}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
