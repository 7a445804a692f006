"""People joining a tenant, changing what they may do there, and leaving it."""

import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Denied, Invalid, NotFound
from guildhall.kernel.tenancy import current_tenant
from tenants.events import (
    InvitationResent,
    InvitationWithdrawn,
    MemberInvited,
    MemberJoined,
    MemberLeft,
    MemberRolesChanged,
)
from tenants.models import ApiKey, Comember, Invitation, Membership, RefreshToken, Session
from tenants.policies import check_grant, manages_all, validate_roles
from tenants.roles import ADMIN
from tenants.selectors import digest

INVITATION_DAYS = 7


@governed("member.invite", lock=None)
def invite(*, actor: Actor, email: str, roles: Iterable[str], client: str = "") -> tuple[Invitation, str]:
    """Offer roles to an e-mail address. Returns the invitation and its secret, which is stored nowhere.

    Raises `Invalid`, or `Denied` when `actor` does not hold what they offer.
    """
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError as error:
        raise Invalid("The e-mail address was not accepted.", fields={"email": list(error.messages)}) from error
    wanted = validate_roles(roles, client)
    check_grant(actor, wanted)
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        tenant_id=current_tenant(),
        email=address,
        roles=wanted,
        client=client,
        token_hash=digest(token),
        invited_by=actor.ref,
        expires_at=timezone.now() + timedelta(days=INVITATION_DAYS),
    )
    record(MemberInvited(subject=invitation.ref, roles=wanted), actor=actor)
    return invitation, token


@governed("member.resend_invitation", lock="invitation")
def resend_invitation(*, actor: Actor, invitation: Invitation) -> tuple[Invitation, str]:
    """A new link for an invitation, expired or not; the old one stops working. Returns it with its secret.

    Its sender and admins may, as long as they hold what it offers.
    """
    if invitation.invited_by != actor.ref and not manages_all(actor):
        raise Denied("Only an admin or the person who sent an invitation may send it again.")
    if invitation.accepted_at is not None:
        raise Conflict("This invitation was accepted already.")
    check_grant(actor, invitation.roles)
    token = secrets.token_urlsafe(32)
    invitation.token_hash = digest(token)
    invitation.expires_at = timezone.now() + timedelta(days=INVITATION_DAYS)
    invitation.save(update_fields=["token_hash", "expires_at"])
    record(InvitationResent(subject=invitation.ref, roles=invitation.roles), actor=actor)
    return invitation, token


@governed("member.withdraw_invitation", lock="invitation")
def withdraw_invitation(*, actor: Actor, invitation: Invitation) -> None:
    """Make an invitation's link worthless. Its sender and admins may."""
    if invitation.invited_by != actor.ref and not manages_all(actor):
        raise Denied("Only an admin or the person who sent an invitation may withdraw it.")
    if invitation.accepted_at is not None:
        raise Conflict("This invitation was accepted already.")
    record(InvitationWithdrawn(subject=invitation.ref), actor=actor)
    invitation.delete()


@governed("member.accept_invitation", lock="invitation")
def accept_invitation(*, actor: Actor, invitation: Invitation, user_id: int) -> Membership:
    """Make the invited person a member, once. The caller has proven that `user_id` owns the invited address."""
    now = timezone.now()
    if invitation.accepted_at is not None or invitation.expires_at <= now:
        raise NotFound("This invitation was used, has expired or was withdrawn. Ask your admin for a new one.")
    with taken_raises(Conflict("You are a member here already; sign in.")):
        membership = Membership.objects.create(
            tenant_id=current_tenant(), user_id=user_id, roles=invitation.roles, client=invitation.client
        )
    invitation.accepted_at = now
    invitation.save(update_fields=["accepted_at"])
    record(MemberJoined(subject=actor.ref, person=actor.name, roles=invitation.roles), actor=actor)
    return membership


@governed("member.change_roles", lock=None)
def change_roles(*, actor: Actor, person: str, roles: Iterable[str], client: str = "") -> Membership:
    """Give the member with public id `person` exactly these roles.

    Without the role admin one can add roles that one holds, and drop only one's own. The last admin stays one.
    """
    wanted = validate_roles(roles, client)
    membership, member = _lock_member(person)
    before = sorted(membership.roles)
    check_grant(actor, set(wanted) - set(before))
    dropped = sorted(set(before) - set(wanted))
    if dropped and not manages_all(actor) and actor.id != person:
        raise Denied(f"Only an admin may take the role {', '.join(dropped)} from somebody.")
    if client != membership.client and not manages_all(actor):
        raise Denied("Only an admin may change which client somebody belongs to.")
    if ADMIN in dropped:
        _keep_an_admin(member)
    membership.roles, membership.client = wanted, client
    membership.save(update_fields=["roles", "client"])
    record(
        MemberRolesChanged(subject=f"person:{person}", person=member.name, before=before, after=wanted),
        actor=actor,
        before=before,
        after=wanted,
    )
    return membership


@governed("member.remove", lock=None)
def remove_member(*, actor: Actor, person: str) -> None:
    """End a membership with its sessions, tokens and keys, at once. Admins may, and everybody for themselves."""
    membership, member = _lock_member(person)
    if not manages_all(actor) and actor.id != person:
        raise Denied("Only an admin may end somebody else's membership.")
    if ADMIN in membership.roles:
        _keep_an_admin(member)
    now = timezone.now()
    Session.objects.filter(user_id=membership.user_id).delete()
    RefreshToken.objects.filter(user_id=membership.user_id, revoked_at=None).update(revoked_at=now)
    ApiKey.objects.filter(user_id=membership.user_id, revoked_at=None).update(revoked_at=now)
    membership.delete()
    record(MemberLeft(subject=f"person:{person}", person=member.name), actor=actor, before=sorted(membership.roles))


def _lock_member(person: str) -> tuple[Membership, Comember]:
    """The membership of `person`, with all of the tenant's held in one order: two demotions at once take turns."""
    memberships = {row.user_id: row for row in Membership.objects.select_for_update().order_by("pk")}
    member = Comember.objects.filter(public_id=person).first()
    if member is None or member.pk not in memberships:
        raise NotFound("There is no such member here.")
    return memberships[member.pk], member


def _keep_an_admin(member: Comember) -> None:
    if not Comember.objects.filter(roles__contains=[ADMIN]).exclude(pk=member.pk).exists():
        raise Conflict("This is the last admin here; make somebody else an admin first.")
