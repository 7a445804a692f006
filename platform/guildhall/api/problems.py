"""Errors as RFC 9457 problem details: `type`, `title`, `status`, `detail`, and `fields` where input was wrong."""

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from guildhall.evidence.reading import note_refused
from guildhall.kernel.errors import Denied, GuildhallError, Invalid, NotFound, TooLarge
from guildhall.kernel.operation import current_operation

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="guildhall"'
CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}


def challenge(request: Any) -> str:
    """The `WWW-Authenticate` of a 401 (RFC 9110, RFC 6750): what is wanted, and that a token was no good if one came."""
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    refused = scheme.lower() == "bearer" and credential.strip()
    return f'{CHALLENGE}, error="invalid_token"' if refused else CHALLENGE


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. Unknown errors return None and become Django's own 500."""
    if isinstance(error, Http404):
        error = NotFound("There is no such thing here.")
    if isinstance(error, RequestDataTooBig):
        error = TooLarge("The body is larger than is accepted here.")
    if isinstance(error, exceptions.ValidationError):
        error = Invalid("The input was not accepted.", fields=_fields(error.detail))
    _note_refused(error, context["request"])
    if isinstance(error, GuildhallError):
        response = _response(error.status, error.code, error.title, error.detail, error.fields, error.extra)
        if error.status == 401:
            response["WWW-Authenticate"] = CHALLENGE
        return response
    if isinstance(error, exceptions.APIException):
        status = error.status_code
        response = _response(
            status,
            CODES.get(status, "error"),
            CODES.get(status, "error").replace("_", " ").capitalize(),
            str(error.detail),
            {},
            {},
        )
        for header in ("WWW-Authenticate", "Retry-After"):
            value = getattr(error, {"WWW-Authenticate": "auth_header", "Retry-After": "wait"}[header], None)
            if value:
                response[header] = str(int(value)) if header == "Retry-After" else value
        return response
    return None


def _note_refused(error: Exception, request: Any) -> None:
    """Have the audit trail hold who was refused to read what; refused acts are in it already."""
    actor = getattr(request.user, "actor", None)
    denial = Denied(str(error.detail)) if isinstance(error, exceptions.PermissionDenied) else error
    if actor and request.resolver_match and isinstance(denial, Denied):
        note_refused(actor=actor, route=request.resolver_match.route, address=request.path, denial=denial)


def _response(
    status: int, code: str, title: str, detail: str, fields: dict[str, list[str]], extra: dict[str, Any]
) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:guildhall:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "operation_id": current_operation().id,
    }
    if fields:
        body["fields"] = fields
    body.update({key: value for key, value in extra.items() if key not in body})
    response = Response(body, status=status, content_type=MEDIA_TYPE)
    if "retry_after" in extra:
        response["Retry-After"] = str(extra["retry_after"])
    return response


def _fields(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """DRF's nested error detail as a flat mapping from dotted field to messages."""
    if isinstance(detail, dict):
        flat: dict[str, list[str]] = {}
        for name, inner in detail.items():
            flat.update(_fields(inner, f"{prefix}.{name}" if prefix else str(name)))
        return flat
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        nested: dict[str, list[str]] = {}
        for index, inner in enumerate(detail):
            nested.update(_fields(inner, f"{prefix}.{index}"))
        return nested
    messages = detail if isinstance(detail, list) else [detail]
    return {prefix or "body": [str(message) for message in messages]}
