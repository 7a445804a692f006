"""A policy against what was done in this tenant in the last thirty days."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Q
from django.utils import timezone

from governance.autonomy import Risk
from governance.models import Approval, CostKind, LedgerEntry
from governance.policies.document import PolicyDocument
from governance.recorded import PERIOD, Recorded, RecordedKind, recorded_since, register_recorded
from governance.scopes import ScopeKind
from governance.selectors.lists import refuse_outsider
from governance.selectors.policy import active_policy
from governance.simulation import Simulation, simulate
from guildhall.kernel.actor import Actor

MOST = 20_000
OWNERS = tuple(kind.value for kind in ScopeKind if kind is not ScopeKind.TENANT)


def simulation_of(actor: Actor, document: PolicyDocument) -> Simulation:
    """What `document` would have blocked or asked, and what the policy in force would have. Raises `Denied` for clients.

    Of each kind at most the newest `MOST` are replayed; agents are taken at today's reputation.
    """
    refuse_outsider(actor)
    actions = recorded_since(timezone.now() - PERIOD, MOST)
    counts = {kind: sum(action.kind == kind for action in actions) for kind in RecordedKind}
    return simulate(active_policy().document, document, actions, cut=any(n >= MOST for n in counts.values()))


def _approvals(since: datetime, most: int) -> Iterable[Recorded]:
    """What people approved, with what it touched where the question named that."""
    yes = Count("votes", filter=Q(votes__decision="approve"))
    rows = Approval.objects.filter(state__in=["approved", "executed"], requested_at__gte=since)
    for row in rows.annotate(yes=yes).order_by("-id")[:most]:
        yield Recorded(
            kind=RecordedKind.APPROVAL,
            at=row.requested_at,
            ref=row.ref,
            title=row.title,
            risk=Risk(row.risk),
            yes=row.yes,
            asked=str(row.kind),
            environment=str(row.binding.get("environment", "")),
            done_at=row.executed_at,
        )


def _model_calls(since: datetime, most: int) -> Iterable[Recorded]:
    """What was charged for model calls, in the window of its reservation."""
    rows = LedgerEntry.objects.filter(kind="commit", cost_kind=CostKind.MODEL, counted_at__gte=since).exclude(model="")
    for row in rows.order_by("-id")[:most]:
        yield Recorded(
            kind=RecordedKind.MODEL_CALL,
            at=row.counted_at,
            ref=row.owner,
            title=f"Call of {row.model}",
            model=row.model,
            cost=row.spent_delta,
            tokens=row.tokens_in + row.tokens_out,
            owners=tuple((name, getattr(row, name)) for name in OWNERS if getattr(row, name)),
        )


def register() -> None:
    """Called once the apps are ready."""
    register_recorded("approvals", _approvals)
    register_recorded("model calls", _model_calls)
