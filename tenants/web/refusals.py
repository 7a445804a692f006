"""A refusal outside of any view: as problem details to programs, as a page to people."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from guildhall.api.problems import MEDIA_TYPE
from guildhall.kernel.errors import GuildhallError
from guildhall.kernel.operation import current_operation
from guildhall.portal.views import refusal

PROGRAM_PATHS = ("/api/", "/v1/", "/mcp")


def wants_page(request: HttpRequest) -> bool:
    """Whether a person is looking: a path for people and no wish for JSON alone."""
    return not request.path.startswith(PROGRAM_PATHS) and request.accepts("text/html")


def refuse(request: HttpRequest, error: GuildhallError, *, plain: bool = True) -> HttpResponse:
    """The answer that carries `error`, its reason word for word; `plain` without the portal around it."""
    if wants_page(request):
        return refusal(request, error, plain=plain)
    body = {
        "type": f"urn:guildhall:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "operation_id": current_operation().id,
        **({"fields": error.fields} if error.fields else {}),
        **error.extra,
    }
    return JsonResponse(body, status=error.status, content_type=MEDIA_TYPE)
