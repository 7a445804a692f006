"""Idempotency-Key: a repeated request gets the first answer, and nothing is done again.

The claim on a key is committed before the request is carried out. A refusal gives the key free, because nothing was
done. A request that breaks in the middle keeps its key: whether it was done is not known, so it is not done again.
"""

import hashlib
import json
from datetime import timedelta

from django.db.models.functions import Now
from rest_framework.request import Request
from rest_framework.response import Response

from guildhall.api.models import StoredAnswer
from guildhall.api.rendering import Renderer
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid

KEPT = timedelta(hours=24)
LONGEST = 100
REPEATABLE = ("POST", "PUT", "PATCH")


class Replay(Exception):
    """The request was answered before; `response` is that answer."""

    def __init__(self, stored: StoredAnswer) -> None:
        super().__init__(stored.key)
        headers = {"Idempotency-Replayed": "true", **({"ETag": stored.etag} if stored.etag else {})}
        self.response = Response(json.loads(stored.body), status=stored.status, headers=headers)


def claim(request: Request, actor: Actor) -> StoredAnswer | None:
    """Take the request's key; None when it has none.

    Raises `Replay` when it was answered, `Conflict` while the first one is not, `Invalid` for another request's key.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not key or request.method not in REPEATABLE:
        return None
    if len(key) > LONGEST or not key.isprintable():
        raise _invalid(f"A key has at most {LONGEST} printable characters.")
    forget_old_answers()
    fingerprint = _fingerprint(request)
    row, mine = StoredAnswer.objects.get_or_create(actor=actor.ref, key=key, defaults={"fingerprint": fingerprint})
    if mine:
        return row
    if row.fingerprint != fingerprint:
        raise _invalid("Another request was sent under this key; a new request needs a new one.")
    if row.status is None:
        raise Conflict("The first request under this key is still being carried out, or broke: look before you repeat.")
    raise Replay(row)


def forget_old_answers() -> int:
    """Delete answers that are no longer kept, in the current tenant. Returns how many."""
    deleted, _ = StoredAnswer.objects.filter(at__lt=Now() - KEPT).delete()
    return deleted


def settle(row: StoredAnswer, response: Response) -> None:
    """Keep the answer for whoever repeats the request; a refusal gives the key free."""
    if not 200 <= response.status_code < 300:
        row.delete()
        return
    row.status, row.etag = response.status_code, response.headers.get("ETag", "")
    row.body = Renderer().render(response.data).decode()
    row.save(update_fields=["status", "etag", "body"])


def _fingerprint(request: Request) -> str:
    """What makes a request the same one; an upload is known by its length, as it is not held in memory."""
    about = f"{request.method} {request._request.get_full_path()}\n".encode()
    if (request.content_type or "").startswith("multipart/"):
        return hashlib.sha256(about + str(request.META.get("CONTENT_LENGTH", "")).encode()).hexdigest()
    return hashlib.sha256(about + request._request.body).hexdigest()


def _invalid(problem: str) -> Invalid:
    return Invalid("The Idempotency-Key was not accepted.", fields={"Idempotency-Key": [problem]})
