"""Whether something is on hold, here or, as a room above says, everywhere."""

from collections.abc import Callable, Iterable

from django.db import connection
from django.db.models import Q

from governance.models import Hold
from governance.models.holds import HoldKind
from governance.scopes import Scope, ScopeKind
from governance.views import HoldView
from guildhall.kernel.errors import Conflict

_BY_SCOPE = {ScopeKind.STRATEGY: HoldKind.STRATEGY, ScopeKind.RUN: HoldKind.RUN}


HoldSource = Callable[[], HoldView | None]
_sources: list[HoldSource] = []
_possible: dict[HoldSource, str] = {}
OWN = "EXISTS (SELECT FROM governance_hold WHERE lifted_at IS NULL)"


class Held(Conflict):
    """A kill switch is on: `hold`."""

    def __init__(self, hold: HoldView) -> None:
        super().__init__(f"Nothing can be spent now: {hold.sentence}")
        self.hold = hold


def register_hold_source(source: HoldSource, *, possible: str) -> None:
    """Have `source` asked, in the tenant's scope, before the tenant's own kill switches.

    `possible` is SQL, false where `source` would answer None. All are asked at once, as nearly always nothing is on hold.
    """
    if source not in _sources:
        _sources.append(source)
        _possible[source] = possible


def everywhere_held() -> HoldView | None:
    """The kill switch above all organisations, or None."""
    return next((hold for source in _sources if (hold := source())), None)


def refuse_held(*, scopes: Iterable[Scope], agent: str) -> None:
    """Raises `Held` where a kill switch stops spending for `scopes` by `agent`."""
    if hold := find_hold(scopes=scopes, agent=agent):
        raise Held(hold)


def hold_view(row: Hold) -> HoldView:
    return HoldView(row.pk, str(row.kind), row.target, row.reason, row.held_by, row.held_at, tuple(row.stopped))


def is_held(*, strategy: str = "", agent: str = "", run: str = "") -> HoldView | None:
    """The kill switch that stops this, or None; the tenant's own always counts. `agent` is like `agent:mason`."""
    return _first({HoldKind.STRATEGY: strategy, HoldKind.AGENT: agent, HoldKind.RUN: run})


def find_hold(*, scopes: Iterable[Scope], agent: str) -> HoldView | None:
    """The kill switch that stops spending for `scopes` by `agent`, or None."""
    targets = {_BY_SCOPE[scope.kind]: scope.id for scope in scopes if scope.kind in _BY_SCOPE}
    return _first({**targets, HoldKind.AGENT: agent})


def _first(targets: dict[HoldKind, str]) -> HoldView | None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {' OR '.join([OWN, *_possible.values()])}")
        if cursor.fetchone() == (False,):
            return None
    if hold := everywhere_held():
        return hold
    wanted = Q(kind=HoldKind.TENANT)
    for kind, target in targets.items():
        if target:
            wanted |= Q(kind=kind, target=target)
    row = Hold.objects.filter(wanted, lifted_at__isnull=True).order_by("id").first()
    return hold_view(row) if row else None
