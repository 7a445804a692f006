"""Where forges send their webhooks. A message only has us look sooner: what it says is read again from the forge itself."""

import hashlib
import secrets

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from gpu_workers.actions.forges import Heard, hear
from gpu_workers.actions.secrets import note_secret_read
from gpu_workers.forges.choosing import hook_of
from gpu_workers.forges.hooks import DELIVERY, KIND, MAX_BYTES, commit_of, payload_of, repository_of, signed
from gpu_workers.forges.vault import unseal
from gpu_workers.models import ForgeConnection
from guildhall.kernel.actor import system_actor
from guildhall.kernel.errors import Conflict, Unavailable
from guildhall.kernel.tenancy import current_tenant

NOBODY = secrets.token_urlsafe(32)
"""Checked against where there is no connection, so that neither answer nor time tells which addresses are real."""


@csrf_exempt
@require_POST
def github(request: HttpRequest, key: str) -> HttpResponse:
    """One webhook. 404 with the same words for an unknown address, a wrong signature and another repository's message."""
    body = _body(request)
    if body is None:
        return _answer(413, f"At most {MAX_BYTES} bytes.")
    connection = ForgeConnection.objects.select_related("repository").filter(hook_key=key).first()
    if not signed(body, request.headers.get("X-Hub-Signature-256", ""), _secret(connection)) or connection is None:
        return _unknown()
    forge = system_actor("forge", current_tenant())
    # Only now: whoever knows the address could fill the trail with messages that nobody signed.
    note_secret_read(actor=forge, subject=connection.ref, what="webhook secret", purpose="a webhook's signature")
    payload, delivery = payload_of(body), request.headers.get("X-GitHub-Delivery", "")
    kind = request.headers.get("X-GitHub-Event", "")
    if payload is None or not DELIVERY.fullmatch(delivery) or not KIND.fullmatch(kind):
        return _answer(400, "A delivery's id, its event and a JSON object are needed; choose application/json.")
    if repository_of(payload).lower() != connection.full_name.lower():
        return _unknown()
    heard = Heard(delivery, hashlib.sha256(body).hexdigest(), kind, commit_of(kind, payload))
    try:
        hear(actor=forge, connection=connection, heard=heard)
    except Conflict:
        return _answer(200, "Known already.")
    return _answer(202, "Heard.")


def _secret(connection: ForgeConnection | None) -> str:
    if connection is None:
        return NOBODY
    try:
        return unseal(connection.hook_secret, hook_of(connection.repository.name))
    except Unavailable:
        return NOBODY


def _body(request: HttpRequest) -> bytes | None:
    """The body, None where it is larger than allowed: the length is looked at before anything is read."""
    try:
        length = int(request.headers.get("Content-Length") or 0)
    except ValueError:
        return None
    if length > MAX_BYTES:
        return None
    body = request.read(MAX_BYTES + 1)
    return body if len(body) <= MAX_BYTES else None


def _unknown() -> HttpResponse:
    return _answer(404, "There is nothing here, or the signature is not of this message.")


def _answer(status: int, words: str) -> HttpResponse:
    return JsonResponse({"detail": words}, status=status)
