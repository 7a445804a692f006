"""Orders to workers and queues as JSON, for programs of an owner's session: the same acts as the console's forms."""

import json
from contextlib import suppress
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from guildhall.fleet.actions import drain_worker, pause_queue, resume
from guildhall.fleet.models import Stop
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.kernel.texts import TooDeep, unstorable
from guildhall.owner.model_admin import actor_of

MOST_BYTES = 4096
ACTS = {"drain": drain_worker, "pause": pause_queue}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def orders_json(request: HttpRequest) -> JsonResponse:
    """The orders that hold, `{"orders": […]}`; or one more, or the end of one, as the body says.

    Bodies are `{"act": "drain", "name": WORKER, "reason": …}`, `{"act": "pause", "name": QUEUE, "reason": …}` and
    `{"act": "resume", "order": ID}`. A refusal is `{"code", "detail", "fields"}` with the status of the error. As any form of
    the console it needs the session's CSRF token, in `X-CSRFToken`.
    """
    if request.method != "POST":
        return JsonResponse({"orders": [_told(stop) for stop in Stop.objects.filter(ended_at=None).order_by("pk")]})
    try:
        body = _body(request)
        stop = _carried_out(actor_of(request), body)
    except GuildhallError as refused:
        told = {"code": refused.code, "detail": refused.detail, "fields": refused.fields}
        return JsonResponse(told, status=refused.status)
    return JsonResponse(_told(stop), status=200 if body["act"] == "resume" else 201)


def _carried_out(actor: Actor, body: dict[str, Any]) -> Stop:
    if body["act"] == "resume":
        number = body.get("order")
        known = number if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63 else 0
        stop = Stop.objects.filter(pk=known).first()
        if stop is None:
            raise NotFound("There is no such order.")
        return resume(actor=actor, stop=stop)
    return ACTS[body["act"]](actor=actor, name=str(body.get("name", "")), reason=str(body.get("reason", "")))


def _body(request: HttpRequest) -> dict[str, Any]:
    raw = request.read(MOST_BYTES + 1)
    found: Any = None
    with suppress(ValueError, RecursionError):
        found = json.loads(raw)
    if len(raw) > MOST_BYTES or not isinstance(found, dict) or _unfit(found):
        detail = "The body is no JSON object of at most 4096 bytes, free of null characters and lone surrogates."
        raise Invalid(detail)
    if found.get("act") not in ("resume", *ACTS):
        raise Invalid("Say what to do.", fields={"act": ["One of drain, pause and resume."]})
    return found


def _unfit(found: dict[str, Any]) -> bool:
    try:
        return unstorable(found)
    except TooDeep:
        return True


def _told(stop: Stop) -> dict[str, Any]:
    names = ("part", "name", "reason", "ordered_by", "ordered_at", "ended_by", "ended_at")
    return {"order": stop.pk, **{name: getattr(stop, name) for name in names}}
