"""Going from one organisation to another: the list, and the three steps of the way.

The link in the list leads to the host that one goes to. That host gives the browser a secret and sends it back to where it
is signed in (`give`), which sends it on again with a token (`take`). See `tenants.auth.hand_off`.
"""

import re
import secrets
from urllib.parse import urlencode, urlsplit

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from guildhall.kernel.errors import GuildhallError, NotFound
from guildhall.portal.views import PageRequest, page, refusal
from tenants.actions.sign_in import record_hand_on
from tenants.auth.hand_off import LIFETIME, issue, leads_somewhere, organisations_of, take
from tenants.auth.sessions import stored_key
from tenants.selectors import digest
from tenants.web.door import load_user, open_session
from tenants.web.requests import PlacedRequest

COOKIE = "gh_hand_off"
PLACE = "/hand-off/"
CHALLENGE = re.compile(r"[0-9a-f]{64}\Z")


@page
def organisations(request: PageRequest) -> HttpResponse:
    """One's organisations, each with the link that leads there; for the account menu only the list itself."""
    here: PlacedRequest = request  # type: ignore[assignment]
    assert here.tenant is not None
    start = urlencode({"from": urlsplit(f"//{request.get_host()}").hostname or ""})
    homes = [
        (home, home.schema == here.tenant.schema, f"{_origin(here, home.host)}{PLACE}?{start}")
        for home in organisations_of(here.user.pk)
    ]
    part = getattr(request, "htmx", False)
    return render(request, "tenants/_organisations.html" if part else "tenants/organisations.html", {"homes": homes})


@never_cache
@require_safe
def arrive(request: PlacedRequest) -> HttpResponse:
    """The first step, on the host that one goes to: a secret for this browser, then back to where one is signed in."""
    origin = request.GET.get("from", "")[:253].lower()
    if request.actor is not None:
        return redirect("/")
    if not leads_somewhere(origin):
        return redirect("sign-in")
    secret = secrets.token_urlsafe(32)
    to = urlsplit(f"//{request.get_host()}").hostname or ""
    asked = urlencode({"to": to, "challenge": digest(secret)})
    answer = HttpResponseRedirect(f"{_origin(request, origin)}{PLACE}give/?{asked}")
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=2 * int(LIFETIME.total_seconds()),
        path=PLACE,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return answer


@page
def give(request: PageRequest) -> HttpResponse:
    """The second step, where one is signed in: a token for the asking browser, taken to the host that it opens."""
    here: PlacedRequest = request  # type: ignore[assignment]
    host, challenge = request.GET.get("to", "").lower(), request.GET.get("challenge", "")
    if not CHALLENGE.match(challenge):
        raise NotFound("This way does not start here; choose the organisation from the list of yours.")
    session = stored_key(request.session.session_key or "")
    token = issue(user_id=here.user.pk, session=session, host=host, challenge=challenge)
    record_hand_on(actor=request.actor)
    return HttpResponseRedirect(f"{_origin(here, host)}{PLACE}take/?{urlencode({'token': token})}")


@never_cache
@require_safe
def arrived(request: PlacedRequest) -> HttpResponse:
    """The last step, on the host that one goes to: the token for a session."""
    if request.actor is not None:
        return redirect("/")
    assert request.tenant is not None
    try:
        secret = request.COOKIES.get(COOKIE, "")
        user_id = take(request.GET.get("token", ""), schema=request.tenant.schema, secret=secret)
        open_session(request, load_user(user_id), second_factor="hand_off")
        answer: HttpResponse = redirect("/")
    except GuildhallError as error:
        answer = refusal(request, error)
    answer.delete_cookie(COOKIE, path=PLACE, samesite="Lax")
    return answer


def _origin(request: PlacedRequest, host: str) -> str:
    """Scheme, `host` and the port that this request came to: one front serves every organisation."""
    port = urlsplit(f"//{request.get_host()}").port
    return f"{request.scheme}://{host}{f':{port}' if port else ''}"
