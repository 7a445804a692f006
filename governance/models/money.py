"""Limits, what is used of them, reservations, and the ledger that all of it is derived from."""

import uuid
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from governance.scopes import ScopeKind, Window


class Money(models.DecimalField):  # type: ignore[type-arg]
    """US dollars, NUMERIC(20,10)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "max_digits": 20, "decimal_places": 10})

    def deconstruct(self) -> tuple[str, str, list[object], dict[str, object]]:
        """Migrations name Django's own field, so that they import nothing of ours."""
        name, _, args, options = super().deconstruct()
        return name, "django.db.models.DecimalField", [*args], {**options, "max_digits": 20, "decimal_places": 10}


SCOPE_KINDS = [(str(kind), kind.name.title()) for kind in ScopeKind]
WINDOWS = [(str(window), window.name.title()) for window in Window]


class BudgetLimit(models.Model):
    """How much one scope may spend in one window. An empty `scope_id` is the default of every scope of its kind."""

    scope_kind = models.CharField(max_length=12, choices=SCOPE_KINDS)
    scope_id = models.CharField(max_length=120, blank=True)
    window = models.CharField(max_length=8, choices=WINDOWS)
    amount = Money()
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(name="budget_limit_once", fields=["scope_kind", "scope_id", "window"]),
            models.CheckConstraint(name="budget_limit_positive", condition=Q(amount__gte=0)),
            models.CheckConstraint(
                name="budget_limit_known",
                condition=Q(scope_kind__in=[*map(str, ScopeKind)]) & Q(window__in=[*map(str, Window)]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref}: {self.amount} USD per {self.window}"

    @property
    def ref(self) -> str:
        return f"budget:{self.scope_kind}:{self.scope_id or '*'}:{self.window}"


class BudgetCounter(models.Model):
    """What is reserved and spent of one limit in one window.

    `overrun` is the part of `spent` that the limit did not cover: a call that cost more than was reserved, or a limit
    that was lowered below what had been spent. Everything else stays within the limit, and the database says so.
    """

    scope_kind = models.CharField(max_length=12, choices=SCOPE_KINDS)
    scope_id = models.CharField(max_length=120, blank=True)
    window = models.CharField(max_length=8, choices=WINDOWS)
    window_start = models.DateTimeField()
    limit = Money()
    reserved = Money(db_default=0)
    spent = Money(db_default=0)
    overrun = Money(db_default=0)
    alerted = models.PositiveSmallIntegerField(db_default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="budget_counter_once", fields=["scope_kind", "scope_id", "window", "window_start"]
            ),
            models.CheckConstraint(
                name="budget_counter_sane", condition=Q(reserved__gte=0) & Q(spent__gte=0) & Q(overrun__gte=0)
            ),
            models.CheckConstraint(
                name="budget_never_overspent",
                condition=Q(limit__gte=F("reserved") + F("spent") - F("overrun")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope_kind}:{self.scope_id or '*'} {self.window} from {self.window_start:%Y-%m-%d %H:%M}"


class CostKind(models.TextChoices):
    MODEL = "model", "Model calls"
    COMPUTE = "compute", "Compute time"
    STORAGE = "storage", "Storage"


class ReservationState(models.TextChoices):
    OPEN = "open", "Open"
    COMMITTED = "committed", "Committed"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class Reservation(models.Model):
    """A worst-case amount set aside for one call, until it is settled, released or its lease ends.

    While an answer comes in, `noted_in` and `noted_out` say how many tokens it has had so far: what a call is charged whose
    process dies. `provisional` is what was charged by such an estimate: the provider's own count may still correct it.
    `provider` is the deployment that was asked.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=200)
    amount = Money()
    state = models.CharField(max_length=10, choices=ReservationState.choices, db_default=ReservationState.OPEN)
    counters = ArrayField(models.BigIntegerField())
    project = models.CharField(max_length=120, blank=True)
    strategy = models.CharField(max_length=120, blank=True)
    story = models.CharField(max_length=120, blank=True)
    task = models.CharField(max_length=120, blank=True)
    run = models.CharField(max_length=120, blank=True)
    api_key = models.CharField(max_length=120, blank=True)
    agent = models.CharField(max_length=160, blank=True, db_default="")
    owner = models.CharField(max_length=160)
    cost_kind = models.CharField(max_length=8, choices=CostKind.choices, db_default=CostKind.MODEL)
    model = models.CharField(max_length=160)
    provider = models.CharField(max_length=60, blank=True, db_default="")
    price_version = models.CharField(max_length=64)
    price_in = Money(null=True)
    price_out = Money(null=True)
    price_cached = Money(null=True)
    noted_in = models.PositiveBigIntegerField(null=True)
    noted_out = models.PositiveBigIntegerField(null=True)
    provisional = models.BooleanField(db_default=False)
    trace_id = models.CharField(max_length=32)
    reserved_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    cost = Money(null=True)

    class Meta:
        constraints: ClassVar = [
            # A key whose reservation ended without a call may be used again; one that paid for a call may not.
            models.UniqueConstraint(
                name="reservation_key_once", fields=["key"], condition=Q(state__in=["open", "committed"])
            ),
            models.CheckConstraint(name="reservation_state_known", condition=Q(state__in=ReservationState.values)),
            models.CheckConstraint(
                name="reservation_positive", condition=Q(amount__gt=0) | Q(amount=0) & ~Q(cost_kind="model")
            ),
            models.CheckConstraint(name="reservation_cost_kind", condition=Q(cost_kind__in=CostKind.values)),
            models.CheckConstraint(
                name="reservation_committed_has_cost",
                condition=~Q(state="committed") | Q(cost__isnull=False, settled_at__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="reservation_open", fields=["expires_at"], condition=Q(state="open")),
            models.Index(name="reservation_key", fields=["key"]),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.amount} USD {self.state}"

    @property
    def ref(self) -> str:
        return f"reservation:{self.id}"


class EntryKind(models.TextChoices):
    RESERVE = "reserve", "Reserved"
    COMMIT = "commit", "Spent"
    RELEASE = "release", "Released"
    ADJUST = "adjust", "Adjusted"


class LedgerEntry(models.Model):
    """One movement of money. Never changed: the tenant's role has no right to, and a trigger refuses everyone.

    Another trigger refuses an entry that names anybody but its reservation's owner: a cost has one owner in each breakdown,
    so each adds up to the same total. `quantity` (seconds of compute, GiB of storage) times `unit_price` is what is charged
    where no tokens are.

    `reserved_delta` and `spent_delta` are what the entry adds to its counters, so counters are sums of entries.
    `counted_at` is the time of the reservation, which decides the window that the entry belongs to.
    """

    kind = models.CharField(max_length=8, choices=EntryKind.choices)
    reservation = models.ForeignKey(Reservation, on_delete=models.PROTECT, related_name="entries")
    reserved_delta = Money(db_default=0)
    spent_delta = Money(db_default=0)
    owner = models.CharField(max_length=160)
    agent = models.CharField(max_length=160, blank=True, db_default="")
    cost_kind = models.CharField(max_length=8, choices=CostKind.choices, db_default=CostKind.MODEL)
    provider = models.CharField(max_length=60, blank=True, db_default="")
    project = models.CharField(max_length=120, blank=True)
    strategy = models.CharField(max_length=120, blank=True)
    story = models.CharField(max_length=120, blank=True)
    task = models.CharField(max_length=120, blank=True)
    run = models.CharField(max_length=120, blank=True)
    api_key = models.CharField(max_length=120, blank=True)
    model = models.CharField(max_length=160)
    price_version = models.CharField(max_length=64)
    price_in = Money(db_default=0)
    price_out = Money(db_default=0)
    price_cached = Money(db_default=0)
    tokens_in = models.BigIntegerField(db_default=0)
    tokens_out = models.BigIntegerField(db_default=0)
    tokens_cached = models.BigIntegerField(db_default=0)
    quantity = models.DecimalField(max_digits=20, decimal_places=6, db_default=0)
    unit_price = Money(db_default=0)
    estimated = models.BooleanField(db_default=False)
    reason = models.CharField(max_length=300, blank=True)
    trace_id = models.CharField(max_length=32)
    operation_id = models.CharField(max_length=64)
    counted_at = models.DateTimeField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="ledger_kind_known", condition=Q(kind__in=EntryKind.values)),
            models.CheckConstraint(name="ledger_cost_kind_known", condition=Q(cost_kind__in=CostKind.values)),
            # What each kind of entry may do: only a commit and an adjustment spend, only a reservation sets aside.
            models.CheckConstraint(
                name="ledger_kind_moves",
                condition=Q(kind="reserve", reserved_delta__gt=0, spent_delta=0)
                | Q(kind="commit", reserved_delta__lte=0, spent_delta__gte=0)
                | Q(kind="release", reserved_delta__lt=0, spent_delta=0)
                | Q(kind="adjust", reserved_delta=0),
            ),
            models.CheckConstraint(
                name="ledger_tokens_sane",
                condition=Q(kind="adjust")
                | Q(tokens_in__gte=F("tokens_cached"), tokens_out__gte=0, tokens_cached__gte=0),
            ),
            # Exactly one reserve and one end per reservation, whatever the code does.
            models.UniqueConstraint(name="ledger_reserved_once", fields=["reservation"], condition=Q(kind="reserve")),
            models.UniqueConstraint(
                name="ledger_ended_once", fields=["reservation"], condition=Q(kind__in=["commit", "release"])
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="ledger_counted", fields=["counted_at"]),
            models.Index(name="ledger_run", fields=["run"], condition=~Q(run="")),
            models.Index(name="ledger_task", fields=["task"], condition=~Q(task="")),
            models.Index(name="ledger_story", fields=["story"], condition=~Q(story="")),
            models.Index(name="ledger_agent", fields=["agent", "counted_at"], condition=~Q(agent="")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.spent_delta} USD {self.owner}"
