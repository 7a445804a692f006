"""The platform's own audit trail as a page of the console. It can be read and nothing else."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from guildhall.evidence.selectors import TrailFilter, search_trail

PAGE = 50
COLUMNS = ["When (UTC)", "Who", "What", "Subject", "Outcome"]
OUTCOMES = [("", "Done and denied"), ("done", "Done"), ("denied", "Denied")]

DAY = UnfoldAdminTextInputWidget(attrs={"type": "date"})


class AuditFilter(forms.Form):
    """What may be asked for: words, exact references as they are shown in the table, a kind or its beginning, days (UTC)."""

    text = forms.CharField(required=False, max_length=200, label="Words", widget=UnfoldAdminTextInputWidget())
    kind = forms.CharField(required=False, max_length=80, widget=UnfoldAdminTextInputWidget())
    subject = forms.CharField(required=False, max_length=120, widget=UnfoldAdminTextInputWidget())
    actor = forms.CharField(required=False, max_length=80, widget=UnfoldAdminTextInputWidget())
    outcome = forms.ChoiceField(required=False, choices=OUTCOMES, widget=UnfoldAdminSelectWidget())
    since = forms.DateField(required=False, label="From", widget=DAY)
    until = forms.DateField(required=False, label="To", widget=DAY)
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput())


@require_safe
def audit_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Newest first, 50 a page; `?before=` is an entry's id. Words that are not accepted filter nothing."""
    form, wanted, before = asked_of(request)
    found = search_trail(wanted, before=before, limit=PAGE + 1)
    entries, older = one_page(request, found)
    return render(
        request,
        "owner/audit.html",
        {**context, "title": "Audit trail", "form": form, "columns": COLUMNS, "entries": entries, "older": older},
    )


def asked_of(request: HttpRequest) -> tuple[AuditFilter, TrailFilter, int | None]:
    """The form, what its fields look for, and the entry before which to begin. What is not accepted filters nothing."""
    form = AuditFilter(request.GET)
    form.is_valid()
    wanted = {name: value for name, value in form.cleaned_data.items() if value}
    before = wanted.pop("before", None)
    for name, days in (("since", 0), ("until", 1)):
        if name in wanted:
            day = min(wanted[name], date(9999, 12, 30)) + timedelta(days=days)
            wanted[name] = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return form, TrailFilter(**wanted), before


def one_page(request: HttpRequest, found: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str | None]:
    """`PAGE` of one more than that, and the address of the next page where there is one."""
    entries = found[:PAGE]
    if len(found) <= PAGE:
        return entries, None
    query = request.GET.copy()
    query["before"] = str(entries[-1]["id"])
    return entries, f"?{query.urlencode()}"
