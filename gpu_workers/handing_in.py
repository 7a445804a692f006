"""Carrying out what a person handed in: a job for whoever holds its row. Safe to repeat after a crash at any point.

The row holds the truth: whoever has its highest fence and an unexpired lease works on it; the base is fixed once, and the
same hand-in on the same base is the same commit. Every one comes to an end: it waits an hour for others at most, and what
breaks is tried a few times.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from gpu_workers.actions.hand_ins import settle_hand_in
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.forges import NotYet, Refused
from gpu_workers.forges.putting_up import PATIENCE
from gpu_workers.hand_in_work import AWAY_S, Halted, HandInWork, held, hold_on
from gpu_workers.models import HandIn
from gpu_workers.models.hand_in import HandInState
from gpu_workers.patching import NotTaken
from gpu_workers.repos import BaseMoved, GitError
from gpu_workers.runs.keeper import Keeper
from gpu_workers.sandbox import SandboxUnavailable
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.clashes import Clash
from guildhall.kernel.errors import Conflict, GuildhallError, Invalid, LimitExceeded, NotFound, RateLimited, Unavailable
from guildhall.kernel.tenancy import current_tenant
from workflows.selectors.planned import database_now

logger = logging.getLogger(__name__)
MAX_TRIES, MAX_DEATHS = 5, 10
LONGEST_REST_S = 600.0
NO_SANDBOX = "Nothing can be run in the sandbox now."
AT_ONCE = "Something else was written at the same moment."
BROKE = "Something broke on the platform's side. It is tried again."
GIVEN_UP = (
    f"Something broke on the platform's side, {MAX_TRIES} times in a row. Tell an admin, and hand it in again later."
)
DIED = f"Its worker ended without a word {MAX_DEATHS} times in a row. Tell an admin, and hand it in again later."


class _HandInKeeper(Keeper):
    def extend(self, row: int, fence: int) -> str | None:
        mine = HandIn.objects.filter(pk=row, fence=fence, state=HandInState.WAITING, lease_until__isnull=False)
        if not mine.update(lease_until=Now() + settings.RUN_LEASE):
            raise LeaseLost("the hand-in was taken over or is settled")
        return None


def carry_out_hand_in(number: int) -> None:
    """Work on a hand-in of the current tenant, unless somebody else holds it or it is settled."""
    if hold := hold_on(number):
        # It stays where it is: the scheduler offers it again until the hold ends, and its hour of waiting begins anew then.
        _free().filter(pk=number, waiting_since__isnull=False).update(waiting_since=None)
        logger.info("hand-in %s is not taken: %s", number, hold.sentence)
        return
    row = _take(number)
    if row is None:
        return
    actor = system_actor("hand-ins", current_tenant())
    try:
        if row.tries > MAX_DEATHS:
            _end(actor, row, HandInState.REFUSED, DIED)
            return
        with _HandInKeeper(current_tenant(), row.pk, row.fence, lambda: hold_on(number)) as keeper:
            if outcome := _outcome(HandInWork(actor, row, keeper)):
                _end(actor, row, *outcome)
    except LeaseLost:
        logger.info("hand-in %s was taken over, or taken back", number)
    except (OperationalError, InterfaceError):
        # The database went away: nothing that is said now would be kept. The lease runs out, and it goes on then.
        logger.warning("hand-in %s is left to whoever takes it over", number, exc_info=True)


def waiting_hand_ins() -> list[int]:
    """Hand-ins that nobody works on and that are due."""
    return list(_free().order_by("pk").values_list("pk", flat=True)[:200])


def _free() -> QuerySet[HandIn]:
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    return HandIn.objects.filter(free, Q(retry_at=None) | Q(retry_at__lte=Now()), state=HandInState.WAITING)


def _take(number: int) -> HandIn | None:
    """Bookkeeping between workers, as a run's lease is. A worker that ends without a word has had its try."""
    lease = Now() + settings.RUN_LEASE
    taken = (
        _free().filter(pk=number).update(fence=F("fence") + 1, tries=F("tries") + 1, lease_until=lease, retry_at=None)
    )
    return HandIn.objects.get(pk=number) if taken else None


def _end(actor: Actor, row: HandIn, state: HandInState, reason: str) -> None:
    settle_hand_in(actor=actor, hand_in=row, fence=row.fence, state=state, reason=reason)


def _outcome(work: HandInWork) -> tuple[HandInState, str] | None:
    """What came of it and why, in words for people; None where it rests until it is tried again."""
    row = work.row
    try:
        return work.carry_out()
    except LeaseLost:
        raise
    except Halted as halt:
        _rest(row, halt.seconds, halt.detail, tries=0, waiting_since=None)
        return None
    except (NotYet, RateLimited, LimitExceeded, Unavailable, SandboxUnavailable, Clash) as away:
        return _wait(row, away)
    except NotTaken as refusal:
        return HandInState.REFUSED, str(refusal)
    except (Refused, Conflict, Invalid, NotFound) as refusal:
        return HandInState.REFUSED, refusal.detail
    except (OperationalError, InterfaceError):
        raise
    except GitError as trouble:
        if _is_verdict(trouble):
            return HandInState.REFUSED, str(trouble)
        return _try_again(row)
    except Exception:
        return _try_again(row)


def _is_verdict(trouble: GitError) -> bool:
    """Whether it is our own sentence on what was handed in; what git or the machine said is neither final nor for people."""
    return trouble.own and not isinstance(trouble, BaseMoved)


def _wait(row: HandIn, away: Exception) -> tuple[HandInState, str] | None:
    """Look again, ever more seldom, until it has taken too long; a webhook brings it back sooner."""
    logger.info("hand-in %s waits: %s", row.pk, away)
    detail = away.detail if isinstance(away, GuildhallError) and not isinstance(away, Clash) else AT_ONCE
    detail = NO_SANDBOX if isinstance(away, SandboxUnavailable) else detail
    now = database_now()
    since = row.waiting_since or now
    if now - since > PATIENCE:
        return HandInState.REFUSED, f"Given up after an hour of waiting. {detail} Hand it in again when that is over."
    asked = away.extra.get("retry_after", AWAY_S) if isinstance(away, GuildhallError) else AWAY_S
    asked = away.seconds if isinstance(away, NotYet) else float(asked)
    waited = (now - since).total_seconds()
    _rest(row, max(asked, min(waited / 2, LONGEST_REST_S)), detail, tries=0, waiting_since=since)
    return None


def _try_again(row: HandIn) -> tuple[HandInState, str] | None:
    logger.exception("hand-in %s broke, try %s", row.pk, row.tries)
    if row.tries >= MAX_TRIES:
        return HandInState.REFUSED, GIVEN_UP
    _rest(row, AWAY_S * 2 ** (row.tries - 1), BROKE)
    return None


def _rest(row: HandIn, seconds: float, reason: str, **facts: object) -> None:
    due = Now() + timedelta(seconds=seconds)
    held(row).update(lease_until=None, retry_at=due, reason=reason, **facts)
