"""What providers said of their own usage, beside the ledger."""

from django.db.models import Count, Q

from governance.models import Difference, Reconciliation
from governance.views import DifferenceView, ReconciliationView


def reconciliations(*, limit: int = 50) -> list[ReconciliationView]:
    """The newest comparisons. `open` counts the differences that nothing has corrected."""
    rows = Reconciliation.objects.annotate(left=Count("differences", filter=Q(differences__corrected=False)))
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
            open=row.left,
            problem=row.problem,
            made_by=row.made_by,
            made_at=row.made_at,
        )
        for row in rows.order_by("-id")[:limit]
    ]


def differences(reconciliation: int, *, limit: int = 500) -> list[DifferenceView]:
    """What one comparison found, uncorrected ones first; empty when there is no such comparison."""
    rows = Difference.objects.filter(reconciliation=reconciliation).order_by("corrected", "id")[:limit]
    return [
        DifferenceView(
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
        )
        for row in rows
    ]
