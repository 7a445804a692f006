"""Ending sign-ins and token families."""

from uuid import UUID

from django.utils import timezone

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import PLATFORM, Actor
from guildhall.kernel.errors import NotFound
from tenants.events import SessionEnded, SignedOutEverywhere, TokenFamilyEnded
from tenants.models import RefreshToken, Session


@governed("session.end", lock=None)
def end_session(*, actor: Actor, user_id: int, session_id: str) -> None:
    """End one of the acting person's sign-ins (`session_id` as the list shows it). Raises `NotFound`."""
    deleted, _ = Session.objects.filter(pk=session_id, user_id=user_id).delete()
    if not deleted:
        raise NotFound("There is no such sign-in; it may have ended already.")
    record(SessionEnded(subject=actor.ref), actor=actor)


@governed("session.end_all", lock=None)
def end_all_sessions(*, actor: Actor, user_id: int) -> None:
    """End every sign-in and every refresh token of the acting person in the current scope."""
    sessions, _ = Session.objects.filter(user_id=user_id).delete()
    families = 0
    if actor.tenant != PLATFORM:
        live = RefreshToken.objects.filter(user_id=user_id, revoked_at=None)
        families = live.values("family").distinct().count()
        live.update(revoked_at=timezone.now())
    record(SignedOutEverywhere(subject=actor.ref, sessions=sessions, tokens=families), actor=actor)


@governed("session.end_token_family", lock=None)
def end_token_family(*, actor: Actor, family: UUID, holder: str, reason: str) -> None:
    """Make every token of `family` worthless, access tokens included. `holder` is the person's reference."""
    RefreshToken.objects.filter(family=family, revoked_at=None).update(revoked_at=timezone.now())
    record(TokenFamilyEnded(subject=holder, reason=reason), actor=actor, reason=reason)
