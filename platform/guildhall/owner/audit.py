"""The platform's own audit trail as a page of the console. It can be read and nothing else."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from guildhall.evidence.selectors import recent

PAGE = 50
COLUMNS = ["When (UTC)", "Who", "What", "Subject", "Outcome"]
OUTCOMES = [("", "Done and denied"), ("done", "Done"), ("denied", "Denied")]


class AuditFilter(forms.Form):
    """What may be asked for: exact references, as they are shown in the table."""

    subject = forms.CharField(required=False, max_length=120, widget=UnfoldAdminTextInputWidget())
    actor = forms.CharField(required=False, max_length=80, widget=UnfoldAdminTextInputWidget())
    outcome = forms.ChoiceField(required=False, choices=OUTCOMES, widget=UnfoldAdminSelectWidget())
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput())


@require_safe
def audit_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Newest first, 50 a page; `?before=` is an entry's id. Words that are not accepted filter nothing."""
    form = AuditFilter(request.GET)
    form.is_valid()
    wanted = {name: value for name, value in form.cleaned_data.items() if value}
    found = recent(**wanted, limit=PAGE + 1)
    entries = found[:PAGE]
    older = None
    if len(found) > PAGE:
        query = request.GET.copy()
        query["before"] = str(entries[-1]["id"])
        older = f"?{query.urlencode()}"
    return render(
        request,
        "owner/audit.html",
        {**context, "title": "Audit trail", "form": form, "columns": COLUMNS, "entries": entries, "older": older},
    )
