"""Carrying out what is due in a repository: by one worker at a time, in order, what waits being passed by.

Rows hold the truth: whoever has a lane's highest fence and an unexpired lease works there. Every errand comes to an end: it waits
for its forge as long as its kind says, and what breaks is tried a few times.
"""

import logging

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from gpu_workers.actions.errands import keep_waiting, rest_errand
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.errands import closings, merges, reverts
from gpu_workers.errands.kinds import MAX_DEATHS
from gpu_workers.forges import NotYet
from gpu_workers.models import ChangeRequest, Errand, Lane
from gpu_workers.models.errand import ErrandKind
from gpu_workers.repos import BaseMoved
from gpu_workers.runs.keeper import Keeper
from guildhall.kernel.actor import system_actor
from guildhall.kernel.clashes import Clash
from guildhall.kernel.consumers import Delivered
from guildhall.kernel.errors import GuildhallError, RateLimited, Unavailable
from guildhall.kernel.tenancy import current_tenant
from workflows.selectors.planned import database_now

logger = logging.getLogger(__name__)
KINDS = {ErrandKind.MERGE: merges.KIND, ErrandKind.REVERT: reverts.KIND, ErrandKind.CLOSE: closings.KIND}
MAX_TRIES = 6
AWAY_S, AT_ONCE_S = 60.0, 1.0
LOOK_S = 3600.0
"""Between two looks at what was given up and is not over."""
AT_ONCE = "Something else was written at the same moment."
BROKE = "Something broke on the platform's side whenever it was tried. Tell an admin."
DIED = "Its worker ended without a word whenever it was tried. Tell an admin."


class _LaneKeeper(Keeper):
    def extend(self, row: int, fence: int) -> str | None:
        mine = Lane.objects.filter(pk=row, fence=fence, lease_until__isnull=False)
        if not mine.update(lease_until=Now() + settings.RUN_LEASE):
            raise LeaseLost("the lane was taken over")
        return None


def order(kind: ErrandKind, number: int, repository: str, event: Delivered) -> None:
    """Have something carried out in `repository` because of `event`; told again while it waits, it is one errand.

    An earlier one of the same that still waits has no turn of its own any more.
    """
    Errand.objects.filter(kind=kind, number=number, event__lt=event.id).delete()
    said = {"kind": kind, "number": number, "repository": repository, "asked_at": event.at}
    Errand.objects.get_or_create(event=event.id, defaults=said)


def serve(repository: str) -> None:
    """Carry out what is due in a repository of the current tenant, unless somebody else is at it."""
    # Asked again after the lane was let go: whoever came meanwhile found it taken.
    while _due().filter(repository=repository).exists() and (lane := _take(repository)):
        try:
            with _LaneKeeper(current_tenant(), lane.pk, lane.fence, lambda: None) as keeper:
                while not keeper.lost and (errand := _due().filter(repository=repository).first()):
                    _carry_out(errand, lane)
        except LeaseLost:
            logger.info("the errands of %s were taken over", repository)
            return
        except (OperationalError, InterfaceError):
            # The database went away: nothing that is said now would be kept. The lease runs out, and it goes on then.
            logger.warning("the errands of %s are left to whoever takes them over", repository, exc_info=True)
            return
        Lane.objects.filter(pk=lane.pk, fence=lane.fence).update(lease_until=None)


def waiting_lanes() -> list[str]:
    """Repositories in which something is due and nobody is at it."""
    held = Lane.objects.filter(lease_until__gte=Now()).values("repository")
    waiting = _due().exclude(repository__in=held).order_by("repository")
    return list(waiting.values_list("repository", flat=True).distinct()[:200])


def _due() -> QuerySet[Errand]:
    return Errand.objects.filter(Q(retry_at=None) | Q(retry_at__lte=Now()))


def _take(repository: str) -> Lane | None:
    """Bookkeeping between workers, as a run's lease is."""
    lane, _ = Lane.objects.get_or_create(repository=repository)
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    mine = Lane.objects.filter(free, pk=lane.pk)
    taken = mine.update(fence=F("fence") + 1, lease_until=Now() + settings.RUN_LEASE)
    return Lane.objects.get(pk=lane.pk) if taken else None


def _carry_out(errand: Errand, lane: Lane) -> None:
    """Do it, or have it wait. A worker that ends without a word has had its try."""
    actor, kind = system_actor("executor", current_tenant()), KINDS[ErrandKind(errand.kind)]
    Errand.objects.filter(pk=errand.pk).update(tries=F("tries") + 1)
    errand.tries += 1
    try:
        if errand.tries > MAX_DEATHS:
            _give_up(errand, lane, DIED)
            return
        kind.carry_out(actor, errand, lane.fence)
    except LeaseLost:
        raise
    except (NotYet, RateLimited, Unavailable, BaseMoved, Clash) as away:
        _wait(errand, lane, away)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("%s broke, try %s", errand, errand.tries)
        if errand.tries >= MAX_TRIES:
            _give_up(errand, lane, BROKE)
        else:
            _rest(errand, AWAY_S * 2 ** (errand.tries - 1), "Something broke on the platform's side.")
    else:
        errand.delete()


def _wait(errand: Errand, lane: Lane, away: Exception) -> None:
    """Look again, ever more seldom, until it has taken too long."""
    logger.info("%s waits: %s", errand, away)
    kind, now = KINDS[ErrandKind(errand.kind)], database_now()
    since = errand.waiting_since or now
    at_once = isinstance(away, BaseMoved | Clash)
    detail = away.detail if isinstance(away, GuildhallError) and not at_once else AT_ONCE
    if now - since >= kind.patience:
        _give_up(errand, lane, f"It was tried for {kind.patience_said}. {detail}")
        return
    asked = float(away.extra.get("retry_after", AWAY_S)) if isinstance(away, GuildhallError) else AWAY_S
    asked = away.seconds if isinstance(away, NotYet) else AT_ONCE_S if at_once else asked
    waited = (now - since).total_seconds()
    _rest(errand, max(asked, min(waited / 2, kind.longest_rest_s)), detail, tries=0, waiting_since=since)


def _rest(errand: Errand, seconds: float, reason: str, **facts: object) -> None:
    """Why it waits is told where it is new and lasts; a merge's is told with its approval."""
    change = None
    if errand.kind != ErrandKind.MERGE and reason not in (errand.reason, AT_ONCE):
        change = ChangeRequest.objects.filter(number=errand.number).first()
    if change is None:
        rest_errand(errand, seconds, reason, **facts)
        return
    actor = system_actor("executor", current_tenant())
    keep_waiting(actor=actor, change=change, errand=errand, seconds=seconds, reason=reason, facts=facts)


def _give_up(errand: Errand, lane: Lane, reason: str) -> None:
    actor, since = system_actor("executor", current_tenant()), errand.waiting_since or database_now()
    if left := KINDS[ErrandKind(errand.kind)].give_up(actor, errand, lane.fence, reason):
        # One more death or break, and its next look is in an hour: whatever waits behind it has its turn.
        rest_errand(errand, LOOK_S, left, tries=MAX_DEATHS - 1, waiting_since=since)
    else:
        errand.delete()
