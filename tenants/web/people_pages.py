"""Settings: who is a member, who is invited, and what each may do. The same actions as the API's."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.registry import Party, parties
from guildhall.portal.views import PageRequest, form_page
from tenants import selectors
from tenants.actions import members as actions
from tenants.models import Comember
from tenants.policies import manages_all
from tenants.roles import ADMIN
from tenants.web.joining import post_invitation
from tenants.web.roles_shown import may_give, role_choices, role_label


@form_page
def members(request: PageRequest) -> HttpResponse:
    """The list, invitations that wait, and the form that sends one; `act` says which form was sent."""
    if request.method != "POST":
        return _list(request)
    try:
        act = {"invite": _invite, "resend": _resend, "withdraw": _withdraw}.get(request.POST.get("act", ""))
        if act is None:
            raise Invalid("This form is not known here.", fields={"act": ["Choose what to do."]})
        messages.success(request, act(request))
    except NotFound:
        raise
    except GuildhallError as error:
        return _list(request, status=error.status, problem=error)
    return redirect("settings-members")


def _invite(request: PageRequest) -> str:
    invitation, token = actions.invite(
        actor=request.actor,
        email=request.POST.get("email", "")[:254],
        roles=_some(request.POST.getlist("roles")),
        client=request.POST.get("client", "").strip()[:60],
    )
    post_invitation(request, invitation, token, sender=request.actor.name)
    return f"{invitation.email} is invited. The link works once, for seven days."


def _resend(request: PageRequest) -> str:
    invitation = selectors.invitation_visible_to(request.actor, _number(request), expired=True)
    invitation, token = actions.resend_invitation(actor=request.actor, invitation=invitation)
    post_invitation(request, invitation, token, sender=request.actor.name)
    return f"A new link is on its way to {invitation.email}; the old one stopped working."


def _withdraw(request: PageRequest) -> str:
    invitation = selectors.invitation_visible_to(request.actor, _number(request), expired=True)
    actions.withdraw_invitation(actor=request.actor, invitation=invitation)
    return f"The invitation of {invitation.email} is withdrawn."


def _some(ticked: list[str]) -> list[str]:
    if not ticked:
        raise Invalid("The roles were not accepted.", fields={"roles": ["Tick at least one role."]})
    return ticked


def _number(request: PageRequest) -> int:
    given = request.POST.get("invitation", "")
    if not (given.isdecimal() and len(given) < 19):
        raise NotFound("There is no such invitation here.")
    return int(given)


def _list(request: PageRequest, *, status: int = 200, problem: GuildhallError | None = None) -> HttpResponse:
    actor = request.actor
    sent = request.POST if problem else {}
    invitations = list(selectors.invitations_visible_to(actor, expired=True))
    senders = parties(invitation.invited_by for invitation in invitations)
    now = timezone.now()
    context = {
        "tab": "members",
        "people": [_shown(row) for row in selectors.members_visible_to(actor)],
        "invitations": [
            (row, senders[row.invited_by], [role_label(role) for role in row.roles], row.expires_at <= now)
            for row in invitations
        ],
        "may_invite": may_give(actor),
        "roles": [choice for choice in role_choices(actor, _ticked(sent)) if choice.open],
        "sent": sent,
        "problem": problem,
    }
    return render(request, "tenants/members.html", context, status=status)


def _ticked(sent: Any) -> list[str]:
    return sent.getlist("roles") if sent else []


def _shown(row: Comember) -> tuple[Comember, Party, list[str]]:
    party = Party(f"person:{row.public_id}", row.name)
    return row, party, [role_label(role) for role in row.roles]


@form_page
def member(request: PageRequest, person: str) -> HttpResponse:
    """One member: their roles to change, and the way out of the organisation."""
    row = selectors.member_visible_to(request.actor, person)
    if request.method != "POST":
        return _show(request, row)
    try:
        act = {"roles": _change, "remove": _remove}.get(request.POST.get("act", ""))
        if act is None:
            raise Invalid("This form is not known here.", fields={"act": ["Choose what to do."]})
        return act(request, row)
    except GuildhallError as error:
        return _show(request, row, status=error.status, problem=error)


def _change(request: PageRequest, row: Comember) -> HttpResponse:
    """Boxes that are not the actor's to touch come with no value, and keep what they stand for."""
    actor = request.actor
    kept = [c.key for c in _choices(actor, row, row.roles) if c.ticked and not c.open]
    actions.change_roles(
        actor=actor,
        person=row.public_id,
        roles=_some([*kept, *request.POST.getlist("roles")]),
        client=request.POST.get("client", row.client).strip()[:60],
    )
    messages.success(request, f"The roles of {row.name} are changed.")
    return redirect("settings-member", person=row.public_id)


def _remove(request: PageRequest, row: Comember) -> HttpResponse:
    """Ends a membership once its name was typed out; whoever ends their own is led to the sign-in."""
    if " ".join(request.POST.get("confirm", "").split()).casefold() != " ".join(row.name.split()).casefold():
        problem = f"Type the name as it stands here: {row.name}"
        raise Invalid("Nothing was changed.", fields={"confirm": [problem]})
    actions.remove_member(actor=request.actor, person=row.public_id)
    if row.public_id == request.actor.id:
        return redirect("sign-in")
    messages.success(request, f"{row.name} is no longer a member. Their sign-ins, tokens and keys ended.")
    return redirect("settings-members")


def _show(
    request: PageRequest, row: Comember, *, status: int = 200, problem: GuildhallError | None = None
) -> HttpResponse:
    actor = request.actor
    sent = request.POST if problem and request.POST.get("act") == "roles" else {}
    choices = _choices(actor, row, _ticked(sent) if sent else row.roles)
    admins = Comember.objects.filter(roles__contains=[ADMIN]).exclude(pk=row.pk)
    context = {
        "tab": "members",
        "m": row,
        "party": Party(f"person:{row.public_id}", row.name),
        "own": actor.id == row.public_id,
        "legend": "What you may do here" if actor.id == row.public_id else "What they may do here",
        "labels": [role_label(role) for role in row.roles],
        "choices": choices,
        "may_change": any(choice.open for choice in choices),
        "may_set_client": manages_all(actor),
        "may_remove": manages_all(actor) or actor.id == row.public_id,
        "last_admin": ADMIN in row.roles and not admins.exists(),
        "sent": sent,
        "problem": problem,
    }
    return render(request, "tenants/member.html", context, status=status)


def _choices(actor: Actor, row: Comember, ticked: list[str]) -> Any:
    return role_choices(actor, ticked, row.roles, own=actor.id == row.public_id)
