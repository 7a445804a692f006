"""The event streams of all tenants as a page of the console: positions, lag and counts, never what an event says."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from guildhall.evidence.actions import retry_tenant_letters
from guildhall.evidence.streams import platform_streams
from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.errors import GuildhallError
from guildhall.owner.model_admin import Act, ReasonForm, actor_of

PAGE = 50
Names = Callable[[Collection[str]], Mapping[str, str]]
_names: list[Names] = []
COLUMNS = ["Organisation", "Position", "Consumers behind", "Largest lag", "Failing", "Dead letters"]


def register_tenant_names(names: Names) -> None:
    """Name the one who knows what the organisations of schemas are called. A room above this one has them."""
    _names[:] = [names]


def _called(schemas: Collection[str]) -> dict[str, str]:
    """The organisations' names by schema; the schema's own where nobody knows one."""
    known = {schema: name for names in _names for schema, name in names(schemas).items()}
    return {**{schema: schema for schema in schemas}, **known, PLATFORM: "The platform itself"}


@require_safe
def streams_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Every tenant's stream, those with trouble first, 50 a page."""
    streams = platform_streams()
    totals = {
        "tenants": len(streams),
        "behind": sum(stream.behind for stream in streams),
        "failing": sum(len(stream.failing) for stream in streams),
        "letters": sum(stream.dead_letters for stream in streams),
    }
    rows = Paginator(streams, PAGE).get_page(request.GET.get("page"))
    called = _called([stream.schema_name for stream in rows])
    more = {
        "title": "Event streams",
        "columns": COLUMNS,
        "pages": rows,
        "rows": [(called[stream.schema_name], stream) for stream in rows],
        "totals": totals,
        "platform": PLATFORM,
    }
    links = {
        "previous": f"?page={rows.previous_page_number()}" if rows.has_previous() else "",
        "next": f"?page={rows.next_page_number()}" if rows.has_next() else "",
    }
    return render(request, "owner/streams.html", {**context, **more, **links})


RETRY = Act(
    title="Retry the dead letters of {}",
    consequence="Each event that this consumer gave up is handed to it once more, in order, in that organisation. What "
    "fails again stays a dead letter with its new error. The organisation sees in its audit trail that the platform did it.",
    button="Retry",
    done="The dead letters of {} are handed over once more.",
    perform=lambda actor, about, data: retry_tenant_letters(
        actor=actor, schema_name=about[0], consumer=about[1], reason=data["reason"]
    ),
    form=ReasonForm,
)


@require_http_methods(["GET", "HEAD", "POST"])
def retry_page(request: HttpRequest, context: dict[str, Any], schema: str, consumer: str) -> HttpResponse:
    """Says what retrying will do, asks why, and does it."""
    stream = next((one for one in platform_streams() if one.schema_name == schema), None)
    if stream is None or consumer not in stream.letters:
        raise Http404("There is no such dead letter.")
    name, back = f"{consumer} in {_called([schema])[schema]}", reverse("admin:streams")
    form = RETRY.form(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            RETRY.perform(actor_of(request), (schema, consumer), form.cleaned_data)
        except GuildhallError as error:
            form.add_error("reason" if "reason" in error.fields else None, error.detail)
        else:
            messages.success(request, RETRY.done.format(name))
            return HttpResponseRedirect(back)
    more = {"title": RETRY.title.format(name), "act": RETRY, "form": form, "back": back}
    return render(request, "owner/act.html", {**context, **more}, status=422 if form.errors else 200)
