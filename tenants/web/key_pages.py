"""Settings: API keys. Made here as over the API, shown once, revoked at once."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.registry import Party
from guildhall.portal.views import PageRequest, form_page
from tenants import selectors
from tenants.actions.keys import MAX_DAYS, create_api_key, revoke_api_key
from tenants.models import ApiKey, Comember
from tenants.policies import manages_all
from tenants.web.roles_shown import SCOPE_WORDS, scope_choices

SHOWN = 200
LIFETIMES = (7, 30, 90, 180, MAX_DAYS)
ORDINARY = 90


@form_page
def keys(request: PageRequest) -> HttpResponse:
    """The list, and the form that makes a key; `act` says which form was sent."""
    if request.method != "POST":
        return _list(request)
    try:
        act = {"create": _create, "revoke": _revoke}.get(request.POST.get("act", ""))
        if act is None:
            raise Invalid("This form is not known here.", fields={"act": ["Choose what to do."]})
        return act(request)
    except NotFound:
        raise
    except GuildhallError as error:
        return _list(request, status=error.status, problem=error, sent=request.POST)


@sensitive_variables("secret")
def _create(request: PageRequest) -> HttpResponse:
    days, scopes = request.POST.get("days", ""), request.POST.getlist("scopes")
    if not scopes:
        raise Invalid("The scopes were not accepted.", fields={"scopes": ["Tick at least one scope."]})
    key, secret = create_api_key(
        actor=request.actor,
        name=request.POST.get("name", ""),
        scopes=scopes,
        days=int(days) if days.isdecimal() and len(days) < 5 else 0,
    )
    return _list(request, made=key, secret=secret)


def _revoke(request: PageRequest) -> HttpResponse:
    given = request.POST.get("key", "")
    if not (given.isdecimal() and len(given) < 19):
        raise NotFound("There is no such API key here.")
    key = revoke_api_key(actor=request.actor, api_key=selectors.key_visible_to(request.actor, int(given)))
    messages.success(request, f"The key {key.name} opens nothing any more.")
    return redirect("settings-keys")


def _list(request: PageRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    actor, sent = request.actor, more.get("sent")
    rows = list(selectors.keys_visible_to(actor)[:SHOWN])
    names = Comember.objects.filter(pk__in={row.user_id for row in rows})
    holders = {row.user_id: Party(f"person:{row.public_id}", row.name) for row in names}
    days = str(sent.get("days", "")) if sent else str(ORDINARY)
    context = {
        "tab": "keys",
        "live": [_shown(row, holders) for row in rows if _opens(row)],
        "dead": [_shown(row, holders) for row in rows if not _opens(row)],
        "everybodys": manages_all(actor),
        "scopes": scope_choices(actor, sent.getlist("scopes") if sent else ["api:read"]),
        "lifetimes": [(number, str(number) == days) for number in LIFETIMES],
        "sent": {},
        **more,
    }
    return render(request, "tenants/keys.html", context, status=status)


def _opens(row: ApiKey) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > timezone.now())


def _shown(row: ApiKey, holders: dict[int, Party]) -> tuple[ApiKey, Party | None, list[str]]:
    return row, holders.get(row.user_id), [SCOPE_WORDS[scope][0] for scope in row.scopes]
