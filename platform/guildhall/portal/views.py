"""What pages have in common: signed-in people only, refusals with their reason, and the pages of the shell itself."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_http_methods

from guildhall.evidence.reading import note_read, note_refused
from guildhall.evidence.selectors import head_position
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied, GuildhallError, NotFound
from guildhall.kernel.operation import current_operation
from guildhall.portal.registry import one_page, panels_for, search

P = ParamSpec("P")
SEARCH_LIMIT = 100


class PageRequest(HttpRequest):
    """A request of a signed-in member; `live_position` is the stream's position before anything was read."""

    actor: Actor
    live_position: int


Page = Callable[Concatenate[PageRequest, P], HttpResponse]


def page(view: Page[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A page of the portal: nobody signed in goes to the sign-in, a refusal becomes a page with its reason."""
    return _page(view, ["GET", "HEAD"])


def form_page(view: Page[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A page that also takes the forms on it."""
    return _page(view, ["GET", "HEAD", "POST"])


def _page(view: Page[P], methods: list[str]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:

    @wraps(view)
    def inner(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if getattr(request, "actor", None) is None:
            return HttpResponseRedirect(f"/sign-in/?next={quote(request.get_full_path())}")
        # Read first: whatever is committed while the page is made is announced after this position again.
        request.live_position = head_position()  # type: ignore[attr-defined]
        try:
            response = view(request, *args, **kwargs)  # type: ignore[arg-type]
        except GuildhallError as error:
            _note(request, error)
            response = refusal(request, error)
        else:
            _note(request)
        add_never_cache_headers(response)
        return response

    guarded = require_http_methods(methods)(one_page()(inner))
    return cast("Callable[Concatenate[HttpRequest, P], HttpResponse]", guarded)


def _note(request: HttpRequest, error: GuildhallError | None = None) -> None:
    """Have the audit trail hold what it should of this reading."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    route = request.resolver_match.route if request.resolver_match else ""
    if isinstance(error, Denied):
        note_refused(actor=actor, route=route, address=request.path, denial=error)
    elif error is None and request.method in ("GET", "HEAD"):
        note_read(actor=actor, route=route, address=request.path)


def refusal(request: HttpRequest, error: GuildhallError, *, plain: bool = False) -> HttpResponse:
    """The page that carries a refusal: its reason word for word, the way on, and the operation's id.

    The portal is around it for members. Whoever is not signed in and the platform's host have none, nor has `plain`:
    an organisation that lets nobody in.
    """
    member = getattr(request, "tenant", None) and getattr(request, "actor", None)
    context = {
        "error": error,
        "operation_id": current_operation().id,
        "again": request.path,
        "closed": plain,
        "frame": "portal/base.html" if member and not plain else "tenants/_shell.html",
    }
    return render(request, "portal/refused.html", context, status=error.status)


@page
def dashboard(request: PageRequest) -> HttpResponse:
    """What waits, what is going on, and what it costs."""
    actor = request.actor
    main, aside = panels_for("dashboard.main", actor), panels_for("dashboard.aside", actor)
    sentences = [panel.data["summary"] for panel in (*main, *aside) if panel.data.get("summary")]
    context = {
        "main": main,
        "aside": aside,
        "acts": panels_for("dashboard.acts", actor),
        "greeting": _greeting(timezone.now().hour),
        "first_name": actor.name.split()[0] if actor.name.split() else actor.name,
        "summary": " ".join(sentences),
    }
    return render(request, "portal/dashboard.html", context)


def _greeting(hour: int) -> str:
    """By the clock in UTC, which is all that is known of where somebody is."""
    if hour < 5 or hour >= 18:
        return "Good evening"
    return "Good morning" if hour < 12 else "Good afternoon"


@page
def palette(request: PageRequest) -> HttpResponse:
    """What the palette lists for `?q=`: groups of options, nothing around them."""
    text = request.GET.get("q", "").strip()[:SEARCH_LIMIT]
    groups: dict[str, list[Any]] = {}
    for number, hit in enumerate(search(request.actor, text)):
        groups.setdefault(hit.kind, []).append((f"palette-{number}", hit))
    return render(request, "portal/_palette_list.html", {"groups": list(groups.items()), "text": text})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    return refusal(request, NotFound("There is no page at this address, or it is not yours to see."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    detail = "This form was opened too long ago or in another sign-in. Load the page again, then send it once more."
    return refusal(request, Denied(detail))
