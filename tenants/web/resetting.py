"""A forgotten password: asking for a link, and setting a new password with it. On every host."""

from contextlib import suppress

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.errors import GuildhallError, RateLimited
from guildhall.kernel.operation import current_operation
from guildhall.kernel.tenancy import current_scope_name, platform_scope
from guildhall.portal.views import refusal
from tenants.actions.sign_in import reset_password
from tenants.auth.lockout import forget_failures
from tenants.auth.resets import account_of_link
from tenants.models import User
from tenants.tasks import send_link
from tenants.web.door import account_actor, sign_out_everywhere
from tenants.web.forms import ForgottenForm, NewPasswordForm
from tenants.web.requests import PlacedRequest

MOST_FROM_ONE_ADDRESS = 20
AN_HOUR = 3600
LINK = "password/reset/"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: PlacedRequest) -> HttpResponse:
    """Asks for the address; the answer is the same whether it has an account or not."""
    form = ForgottenForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                ask_for_link(request, form.cleaned_data["email"])
                return render(request, "tenants/forgotten.html", {"form": form, "asked": True})
            except GuildhallError as error:
                form.refuse(error)
                status = error.status
    return render(request, "tenants/forgotten.html", {"form": form}, status=status)


@sensitive_post_parameters("new")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def reset(request: PlacedRequest, token: str) -> HttpResponse:
    """Sets a new password; whoever did then signs in with it, second factor and all."""
    try:
        account_of_link(token)
    except GuildhallError as error:
        return refusal(request, error)
    form = NewPasswordForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                set_new_password(request, token, form.cleaned_data["new"])
                request.session.flush()
                return redirect("sign-in")
            except GuildhallError as error:
                form.refuse(error)
                status = error.status
    return render(request, "tenants/reset.html", {"form": form}, status=status)


def ask_for_link(request: HttpRequest, email: str) -> None:
    """Have a link sent to `email` if it has an account that may enter here. Takes the same time for every address.

    Raises `RateLimited` when one network address asks too often.
    """
    asked = 1
    key = f"password-links:{current_operation().address}"
    cache.add(key, 0, AN_HOUR)
    with suppress(ValueError):  # the hour ended between the two
        asked = cache.incr(key)
    if asked > MOST_FROM_ONE_ADDRESS:
        raise RateLimited("Too many links were asked for from your network. Wait an hour.", retry_after=AN_HOUR)
    tenant = getattr(request, "tenant", None)
    send_link.send(
        current_scope_name() or PLATFORM,
        expires=AN_HOUR,
        email=email.strip().lower(),
        place=request.build_absolute_uri(f"/{LINK}"),
        organisation=tenant.name if tenant else "Guildhall",
    )


def set_new_password(request: HttpRequest, token: str, new: str) -> User:
    """Set the password behind a link, and end every sign-in and token that the old one opened.

    Raises `NotFound` for a link that is not good here, `Invalid` for a password that is too weak.
    """
    user = account_of_link(token)
    with platform_scope():
        user = reset_password(actor=account_actor(user), user=user, token=token, new=new)
    sign_out_everywhere(user)
    forget_failures(request, user)
    return user
