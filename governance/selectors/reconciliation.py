"""What providers said of their own usage, beside the ledger."""

from decimal import Decimal
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from governance.models import Difference, Reconciliation, Reservation
from governance.views import DifferenceView, ReconciliationView


def reconciliations(*, limit: int = 50) -> list[ReconciliationView]:
    """The newest comparisons. `open` counts the differences that neither the platform nor a person has put right since."""
    rows = list(Reconciliation.objects.order_by("-id")[:limit])
    apart = _found().filter(reconciliation__in=[row.pk for row in rows]).exclude(provider_cost=F("charged"))
    left = dict(apart.values("reconciliation").annotate(left=Count("id")).values_list("reconciliation", "left"))
    return [
        ReconciliationView(
            id=row.pk,
            provider=row.provider,
            since=row.since,
            until=row.until,
            calls=row.calls,
            ledger_cost=row.ledger_cost,
            provider_cost=row.provider_cost,
            corrected=row.corrected,
            open=left.get(row.pk, 0),
            problem=row.problem,
            made_by=row.made_by,
            made_at=row.made_at,
        )
        for row in rows
    ]


def differences(reconciliation: int, *, limit: int = 500) -> list[DifferenceView]:
    """What one comparison found, uncorrected ones first; empty when there is no such comparison."""
    rows = _found().filter(reconciliation=reconciliation).order_by("corrected", "id")[:limit]
    return [_view(row) for row in rows]


def difference(number: int) -> DifferenceView | None:
    """What some comparison found of one call."""
    row = _found().filter(pk=number).first()
    return _view(row) if row else None


def _found() -> QuerySet[Difference]:
    """Differences with what their calls are `charged` now."""
    calls = Reservation.objects.filter(pk=OuterRef("reservation"))
    return Difference.objects.annotate(charged=Coalesce(Subquery(calls.values("cost")[:1]), Decimal(0)))


def _view(row: Any) -> DifferenceView:
    """Of a row of `_found`."""
    return DifferenceView(
        id=row.pk,
        reconciliation=row.reconciliation_id,
        kind=str(row.kind),
        reservation=row.reservation,
        key=row.key,
        owner=row.owner,
        model=row.model,
        ledger_cost=row.ledger_cost,
        provider_cost=row.provider_cost,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        tokens_cached=row.tokens_cached,
        corrected=row.corrected,
        charged=row.charged,
    )
