"""Null characters stop at the door: PostgreSQL cannot hold them in text, and nobody types one."""

from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpResponse

from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from tenants.web.refusals import refuse
from tenants.web.requests import PlacedRequest

PROBLEM = "Text must not hold null characters."


class NullMiddleware:
    """Refuses a null character in the address (404), its query and a page's form (422), for every route alike.

    Stands behind the CSRF check, which has read a page's form by then. Whatever is exempt from it (the API, forges' hooks)
    reads and checks its body itself.
    """

    def __init__(self, get_response: Callable[[PlacedRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: PlacedRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: PlacedRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        error = self._problem(request, form=request.method == "POST" and not getattr(view, "csrf_exempt", False))
        return refuse(request, error, plain=False) if error else None

    def _problem(self, request: PlacedRequest, *, form: bool) -> GuildhallError | None:
        if "\0" in request.path_info:
            return NotFound("There is nothing at this address.")
        sent = [*request.GET.lists(), *(request.POST.lists() if form else ())]
        fields = {name.replace("\0", ""): [PROBLEM] for name, values in sent if _any_null([name, *values])}
        return Invalid(f"{PROBLEM} Take them out and send it again.", fields=fields) if fields else None


def _any_null(texts: Iterable[str]) -> bool:
    return any("\0" in text for text in texts)
