"""Pages of the platform's host outside of the console."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from guildhall.kernel.errors import NotFound
from guildhall.kernel.operation import current_operation


@never_cache
@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """To the console for an owner, to the sign-in for everybody else."""
    return redirect("sign-in" if getattr(request, "actor", None) is None else "admin:index")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404 on the platform's host; it says nothing of what there may be."""
    context = {"error": NotFound("There is no page at this address."), "operation_id": current_operation().id}
    return render(request, "tenants/refused.html", context, status=404)
