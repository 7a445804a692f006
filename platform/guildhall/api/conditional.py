"""ETags from row versions, and If-Match on edits: whoever edits says which version they looked at."""

import re

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from guildhall.kernel.errors import GuildhallError, Invalid

_TAG = re.compile(r'(?:W/)?"v([0-9]{1,9})"\Z')
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True, description="The ETag of what was edited."
)

SEEN = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of what was looked at; where given, it must be the present one.",
)


class PreconditionRequired(GuildhallError):
    """An edit that does not say which version it was made for."""

    status = 428
    code = "precondition_required"
    title = "Say which version"


def etag_of(version: int) -> str:
    """The ETag of a row at `version`, such as `"v3"`."""
    return f'"v{version}"'


def seen_version(request: Request) -> int | None:
    """The version in `If-Match`; None without the header or for `*`. Raises `Invalid` for any other text."""
    given = request.headers.get("If-Match", "").strip()
    if given in ("", "*"):
        return None
    match = _TAG.match(given)
    if match is None:
        problem = 'Send the ETag that the last answer carried, such as "v3".'
        raise Invalid("If-Match was not understood.", fields={"If-Match": [problem]})
    return int(match.group(1))


def version_seen(request: Request, given: int | None) -> int | None:
    """The version in `If-Match`, or else the one that the body gives."""
    seen = seen_version(request)
    return given if seen is None else seen


def required_version(request: Request) -> int | None:
    """Like `seen_version`, but raises `PreconditionRequired` without the header; None means `*`, any version."""
    if not request.headers.get("If-Match", "").strip():
        raise PreconditionRequired("Send If-Match with the ETag of what you edited, so that nobody's work is lost.")
    return seen_version(request)
