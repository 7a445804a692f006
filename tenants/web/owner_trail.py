"""An organisation's audit trail for an owner with leave to look: search, file, taking leave and giving it back."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from unfold.widgets import UnfoldAdminSelectWidget

from governance.web.audit_export import FORMATS, streamed
from guildhall.evidence.selectors import search_trail
from guildhall.kernel.errors import GuildhallError
from guildhall.owner.audit import COLUMNS, PAGE, asked_of, one_page
from guildhall.owner.model_admin import Act, ReasonForm, acting_on, actor_of
from tenants.actions.support import HOURS, end_support, look, open_support, support_grant
from tenants.models import Tenant
from tenants.web.owner_governance import tenant_named

TRAIL = "audit trail"


class LeaveForm(ReasonForm):
    """Why, and for how long."""

    hours = forms.TypedChoiceField(
        choices=[(n, f"{n} hour{'s' if n > 1 else ''}") for n in (1, 2, 4, HOURS)],
        coerce=int,
        widget=UnfoldAdminSelectWidget(),
    )


TAKE = Act(
    title="Look into {}",
    consequence="For this long you can search the audit trail of this organisation and take it along as a file: what its "
    "people and agents did, in their words. Your reason, and each search, are written into its own audit trail, where its "
    "people read them, and into the platform's.",
    button="Take leave to look",
    done="You can read the audit trail of {} now.",
    perform=acting_on("tenant", open_support),
    form=LeaveForm,
)
GIVE_BACK = Act(
    title="Give back your leave to look into {}",
    consequence="You can read nothing of this organisation's audit trail any more, unless you take leave again.",
    button="Give it back",
    done="Your leave to look into {} is over.",
    perform=acting_on("grant", end_support),
)


def _place(view: str, tenant: Tenant) -> str:
    return reverse(f"admin:{view}", args=[tenant.pk])


@require_safe
def trail_page(request: HttpRequest, context: dict[str, Any], object_id: int) -> HttpResponse:
    """The trail, newest first, 50 a page; without leave, the way to take it. Every page of it is written down."""
    tenant, actor = tenant_named(object_id), actor_of(request)
    grant = support_grant(actor, tenant)
    if grant is None:
        return HttpResponseRedirect(_place("tenants_support", tenant))
    form, wanted, before = asked_of(request)
    found = look(
        actor=actor,
        tenant=tenant,
        what=TRAIL,
        asked=_said(request),
        read=lambda inside: search_trail(wanted, before=before, limit=PAGE + 1),
    )
    entries, older = one_page(request, found)
    more = {
        "title": f"Audit trail of {tenant.name}",
        "form": form,
        "columns": COLUMNS,
        "entries": entries,
        "older": older,
        "tenant": tenant,
        "grant": grant,
        "query": request.GET.urlencode(),
    }
    return render(request, "owner/trail.html", {**context, **more})


@require_safe
def trail_export(request: HttpRequest, context: dict[str, Any], object_id: int) -> HttpResponse:
    """The same entries as a file: `?as=jsonl` or `?as=csv`."""
    tenant, actor = tenant_named(object_id), actor_of(request)
    if support_grant(actor, tenant) is None:
        return HttpResponseRedirect(_place("tenants_support", tenant))
    form = request.GET.get("as", "")
    form = form if form in FORMATS else FORMATS[0]
    _, wanted, before = asked_of(request)
    return look(  # type: ignore[return-value]
        actor=actor,
        tenant=tenant,
        what=TRAIL,
        asked={**_said(request), "as": form},
        read=lambda inside: streamed(inside, form, wanted, before=before),
    )


def _said(request: HttpRequest) -> dict[str, str]:
    """What is searched for, as both trails keep it."""
    form, _, _ = asked_of(request)
    return {name: str(value)[:200] for name, value in form.cleaned_data.items() if value and name != "before"}


@require_http_methods(["GET", "HEAD", "POST"])
def take_leave(request: HttpRequest, context: dict[str, Any], object_id: int) -> HttpResponse:
    """Says what taking leave means, asks why and for how long."""
    tenant = tenant_named(object_id)
    return _ask(request, context, TAKE, tenant, tenant)


@require_http_methods(["GET", "HEAD", "POST"])
def give_back(request: HttpRequest, context: dict[str, Any], object_id: int) -> HttpResponse:
    """Ends one's own leave before its time."""
    tenant = tenant_named(object_id)
    grant = support_grant(actor_of(request), tenant)
    if grant is None:
        return HttpResponseRedirect(_place("tenants_governance_of", tenant))
    return _ask(request, context, GIVE_BACK, tenant, grant)


def _ask(request: HttpRequest, context: dict[str, Any], act: Act, tenant: Tenant, about: Any) -> HttpResponse:
    """The console's page of one act; it leads to the trail, or back to the organisation once that is closed."""
    form = act.form(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            act.perform(actor_of(request), about, form.cleaned_data)
        except GuildhallError as error:
            form.add_error("reason" if "reason" in error.fields else None, error.detail)
        else:
            messages.success(request, act.done.format(tenant))
            return HttpResponseRedirect(_place("tenants_trail" if act is TAKE else "tenants_governance_of", tenant))
    more = {
        "title": act.title.format(tenant),
        "act": act,
        "form": form,
        "back": _place("tenants_governance_of", tenant),
    }
    return render(request, "owner/act.html", {**context, **more}, status=422 if form.errors else 200)
