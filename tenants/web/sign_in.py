"""The pages of coming in and going out, on a tenant's host and on the platform's."""

import time
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from guildhall.kernel.errors import GuildhallError
from guildhall.portal.views import refusal
from tenants.auth import second_factor
from tenants.models import User
from tenants.selectors import open_invitation
from tenants.web.door import close_session, load_user, open_session, prove_factor, prove_password
from tenants.web.forms import AccountForm, CodeForm, PageForm, ProofForm, SignInForm
from tenants.web.joining import has_account, join
from tenants.web.requests import PlacedRequest

REMEMBERED_SECONDS = 14 * 24 * 3600
WAITING = "signing_in"
WAITING_SECONDS = 300


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: PlacedRequest) -> HttpResponse:
    """E-mail and password; then either in, or on to the second factor."""
    target = _target(request)
    if request.method != "POST":
        if request.actor is not None:
            return HttpResponseRedirect(target)
        return _show(request, "sign_in", SignInForm(), next=target)
    form = SignInForm(request.POST)
    status = 422
    if form.is_valid():
        try:
            user = prove_password(request, form.cleaned_data["email"], form.cleaned_data["password"])
            return _enter(request, user, target, remember=form.cleaned_data["remember"])
        except GuildhallError as error:
            form.refuse(error)
            status = error.status
    return _show(request, "sign_in", form, status=status, next=target)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: PlacedRequest) -> HttpResponse:
    """The second factor of a sign-in whose password was right a moment ago."""
    waiting = request.session.get(WAITING)
    if not waiting or waiting["until"] < time.time():
        request.session.pop(WAITING, None)
        return redirect("sign-in")
    form = CodeForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                user = load_user(waiting["user"])
                factor = prove_factor(user, form.cleaned_data["code"])
                return _finish(request, user, waiting["next"], waiting["remember"], factor)
            except GuildhallError as error:
                form.refuse(error)
                status = error.status
    return _show(request, "verify", form, status=status)


@never_cache
@require_POST
def sign_out(request: PlacedRequest) -> HttpResponse:
    """End this browser's session."""
    if request.actor is not None:
        close_session(request, request.actor)
    return redirect("sign-in")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: PlacedRequest, token: str) -> HttpResponse:
    """Accept an invitation with an account's password, or with a new account."""
    try:
        offer = open_invitation(token)
    except GuildhallError as error:
        return refusal(request, error)
    kind: type[PageForm] = ProofForm if has_account(offer) else AccountForm
    form = kind(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            data = form.cleaned_data
            try:
                user = join(request, token, name=data.get("name", ""), password=data["password"])
                return _enter(request, user, "/", remember=False)
            except GuildhallError as error:
                form.refuse(error)
                status = error.status
    return _show(request, "invitation", form, status=status, offer=offer, known=kind is ProofForm)


def _enter(request: PlacedRequest, user: User, target: str, *, remember: bool) -> HttpResponse:
    if not second_factor.is_enrolled(user.pk):
        return _finish(request, user, target, remember, "none")
    request.session.flush()
    until = int(time.time()) + WAITING_SECONDS
    request.session[WAITING] = {"user": user.pk, "until": until, "next": target, "remember": remember}
    request.session.set_expiry(WAITING_SECONDS)
    return redirect("sign-in-verify")


def _finish(request: PlacedRequest, user: User, target: str, remember: bool, factor: str) -> HttpResponse:
    open_session(request, user, second_factor=factor, keep_seconds=REMEMBERED_SECONDS if remember else None)
    return HttpResponseRedirect(target)


def _target(request: PlacedRequest) -> str:
    """Where to go afterwards: a place on this host, or its first page."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if wanted and url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return "/" if request.tenant is not None else "/admin/"


def _show(request: PlacedRequest, page: str, form: PageForm, *, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, f"tenants/{page}.html", {"form": form, **context}, status=status)
