"""Pages of the platform's host outside of the console."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from guildhall.kernel.errors import NotFound
from guildhall.portal.views import refusal


@never_cache
@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """To the console for an owner, to the sign-in for everybody else."""
    return redirect("sign-in" if getattr(request, "actor", None) is None else "admin:index")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404 on the platform's host; it says nothing of what there may be."""
    return refusal(request, NotFound("There is no page at this address."))
