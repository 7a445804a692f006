"""The page on which people say what a call has cost in the end, at a difference between ledger and provider."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from governance.actions.charges import adjust_cost
from governance.selectors import difference, lists
from governance.views import DifferenceView
from governance.web.cost_serializers import CostAdjustmentBody
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.views import PageRequest, form_page

MAY_ADJUST = ("admin",)


@form_page
def adjustment(request: PageRequest, pk: int) -> HttpResponse:
    """What ledger and provider say of one call, and the form that puts the ledger right, with a reason."""
    lists.refuse_outsider(request.actor)
    found = difference(pk)
    if found is None:
        raise NotFound("There is no such difference.")
    if request.method != "POST":
        return _show(request, found)
    try:
        given = _checked(request, found.reservation)
        adjust_cost(actor=request.actor, **given)
    except GuildhallError as problem:
        now = difference(pk) or found
        return _show(request, now, status=problem.status, problem=problem, sent=request.POST.dict())
    messages.success(request, f"The ledger has a line more: {found.key} costs ${given['cost'].normalize():,f} now.")
    return redirect(f"{reverse('reconciliations')}?show={found.reconciliation}#h-found")


def _show(request: PageRequest, found: DifferenceView, *, status: int = 200, **more: Any) -> HttpResponse:
    context = {"row": found, "may": request.actor.has_role(*MAY_ADJUST), **more}
    return render(request, "governance/adjustment.html", context, status=status)


def _checked(request: PageRequest, reservation: UUID) -> dict[str, Any]:
    """The form as the API would take it. Raises `Invalid` with what is wrong at which field."""
    sent = {name: request.POST.get(name, "") for name in ("charged", "cost", "reason")}
    form = CostAdjustmentBody(data={**sent, "reservation": str(reservation)})
    if not form.is_valid():
        fields = {name: [str(message) for message in found] for name, found in form.errors.items()}
        raise Invalid("This cannot be adjusted.", fields=fields)
    data: dict[str, Any] = form.validated_data
    return data
