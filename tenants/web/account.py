"""A person's own page: second factor, password, where they are signed in."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError
from guildhall.kernel.tenancy import platform_scope
from tenants.actions import second_factor as factor_actions
from tenants.actions.sessions import end_session
from tenants.actions.sign_in import change_password
from tenants.auth import second_factor
from tenants.auth.sessions import stored_key
from tenants.models import User
from tenants.selectors import sessions_of
from tenants.web.door import account_actor, load_user, open_session, prove_factor, sign_out_everywhere
from tenants.web.forms import CodeForm, PageForm, PasswordForm
from tenants.web.requests import PlacedRequest


@sensitive_post_parameters("old", "new", "code")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def security(request: PlacedRequest) -> HttpResponse:
    """One page; `act` says which of its forms was sent."""
    if request.actor is None:
        return redirect(f"/sign-in/?next={request.path}")
    user = load_user(request.user.pk)
    if request.method != "POST":
        return _show(request, user)
    act = ACTS.get(request.POST.get("act", ""))
    if act is None:
        return _show(request, user, status=400)
    return act(request, user, request.actor)


def _start(request: PlacedRequest, user: User, actor: Actor) -> HttpResponse:
    if not second_factor.is_enrolled(user.pk):
        second_factor.begin_enrolment(user.pk)
    return redirect("account-security")


def _confirm(request: PlacedRequest, user: User, actor: Actor) -> HttpResponse:
    form = CodeForm(request.POST)
    if form.is_valid():
        try:
            with platform_scope():
                codes = factor_actions.enable_second_factor(
                    actor=account_actor(user), user=user, code=form.cleaned_data["code"]
                )
            return _show(request, user, codes=codes)
        except GuildhallError as error:
            form.refuse(error)
    return _show(request, user, status=422, code_form=form)


def _disable(request: PlacedRequest, user: User, actor: Actor) -> HttpResponse:
    form = CodeForm(request.POST)
    if _proven(user, form):
        with platform_scope():
            factor_actions.disable_second_factor(actor=account_actor(user), user=user)
        return redirect("account-security")
    return _show(request, user, status=422, code_form=form)


def _renew(request: PlacedRequest, user: User, actor: Actor) -> HttpResponse:
    form = CodeForm(request.POST)
    if _proven(user, form):
        with platform_scope():
            codes = factor_actions.renew_recovery_codes(actor=account_actor(user), user=user)
        return _show(request, user, codes=codes)
    return _show(request, user, status=422, code_form=form)


def _proven(user: User, form: PageForm) -> bool:
    if not form.is_valid():
        return False
    try:
        prove_factor(user, form.cleaned_data["code"])
    except GuildhallError as error:
        form.refuse(error)
        return False
    return True


def _password(request: PlacedRequest, user: User, actor: Actor) -> HttpResponse:
    """A new password ends every sign-in made with the old one; this browser gets a new one."""
    form = PasswordForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            with platform_scope():
                user = change_password(actor=account_actor(user), user=user, old=data["old"], new=data["new"])
            sign_out_everywhere(user)
            open_session(request, user, second_factor="none")
            return redirect("account-security")
        except GuildhallError as error:
            form.refuse(error)
    return _show(request, user, status=422, password_form=form)


def _end(request: PlacedRequest, user: User, actor: Actor) -> HttpResponse:
    try:
        end_session(actor=actor, user_id=user.pk, session_id=request.POST.get("session", "")[:40])
    except GuildhallError as error:
        return _show(request, user, status=error.status, problem=error.detail)
    return redirect("account-security")


def _everywhere(request: PlacedRequest, user: User, actor: Actor) -> HttpResponse:
    sign_out_everywhere(user)
    request.session.flush()
    return redirect("sign-in")


ACTS = {
    "start": _start,
    "confirm": _confirm,
    "disable": _disable,
    "renew": _renew,
    "password": _password,
    "end": _end,
    "everywhere": _everywhere,
}


def _show(request: PlacedRequest, user: User, *, status: int = 200, **shown: Any) -> HttpResponse:
    enrolled = second_factor.is_enrolled(user.pk)
    pending = None if enrolled else second_factor.pending_enrolment(user.pk)
    if pending:
        with platform_scope():
            factor_actions.note_key_read(actor=account_actor(user), user=user, purpose="it was shown to its owner")
    context: dict[str, Any] = {
        "email": user.email,
        "enrolled": enrolled,
        "codes_left": second_factor.codes_left(user.pk),
        "qr": pending and second_factor.qr_code(pending),
        "secret": pending and second_factor.secret_of(pending),
        "sessions": sessions_of(user.pk),
        "current": stored_key(request.session.session_key or ""),
        "code_form": CodeForm(),
        "password_form": PasswordForm(),
        **shown,
    }
    return render(request, "tenants/security.html", context, status=status)
