from collections.abc import Iterable

from django.db.models import Q

from governance.models import Hold
from governance.models.holds import HoldKind
from governance.scopes import Scope, ScopeKind
from governance.views import HoldView

_BY_SCOPE = {ScopeKind.STRATEGY: HoldKind.STRATEGY, ScopeKind.RUN: HoldKind.RUN}


def hold_view(row: Hold) -> HoldView:
    return HoldView(row.pk, str(row.kind), row.target, row.reason, row.held_by, row.held_at)


def is_held(*, strategy: str = "", agent: str = "", run: str = "") -> HoldView | None:
    """The kill switch that stops this, or None; the tenant's own always counts. `agent` is like `agent:mason`."""
    return _first({HoldKind.STRATEGY: strategy, HoldKind.AGENT: agent, HoldKind.RUN: run})


def find_hold(*, scopes: Iterable[Scope], agent: str) -> HoldView | None:
    """The kill switch that stops spending for `scopes` by `agent`, or None."""
    targets = {_BY_SCOPE[scope.kind]: scope.id for scope in scopes if scope.kind in _BY_SCOPE}
    return _first({**targets, HoldKind.AGENT: agent})


def _first(targets: dict[HoldKind, str]) -> HoldView | None:
    wanted = Q(kind=HoldKind.TENANT)
    for kind, target in targets.items():
        if target:
            wanted |= Q(kind=kind, target=target)
    row = Hold.objects.filter(wanted, lifted_at__isnull=True).order_by("id").first()
    return hold_view(row) if row else None
