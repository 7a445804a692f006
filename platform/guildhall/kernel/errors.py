"""Every refusal that may reach a caller, with its HTTP status and a machine-readable code.

Portal, API, commands and sockets show `detail` word for word, so a message says what was wrong and what is accepted.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from guildhall.kernel.redaction import redact, redact_data


class GuildhallError(Exception):
    """Base of all refusals.

    `detail` is a sentence for people; `fields` maps a field name to its messages; `extra` is machine-readable context.
    They may repeat what somebody sent or what another program said, so secrets are taken out of them here.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title: ClassVar[str] = "Bad request"

    def __init__(self, detail: str, *, fields: Mapping[str, list[str]] | None = None, **extra: Any) -> None:
        self.detail = redact(detail)
        super().__init__(self.detail)
        self.fields: dict[str, list[str]] = {name: [*map(redact, told)] for name, told in (fields or {}).items()}
        self.extra: dict[str, Any] = redact_data(extra)


class Invalid(GuildhallError):
    """The input cannot be accepted; `fields` says which part and why."""

    status = 422
    code = "invalid"
    title = "Invalid input"


class Unauthenticated(GuildhallError):
    """Nobody is signed in, or the credential is not valid here."""

    status = 401
    code = "unauthenticated"
    title = "Sign in first"


class Denied(GuildhallError):
    """The actor is known but may not do this; the reason is recorded and shown.

    `recorded` is whether it is in the audit trail already.
    """

    status = 403
    code = "denied"
    title = "Not allowed"
    recorded: bool = False


class NotFound(GuildhallError):
    """There is no such thing, or the actor may not know that there is."""

    status = 404
    code = "not_found"
    title = "Not found"


class TenantGone(NotFound):
    """The organisation in whose scope something was to be done has been dropped."""


class Conflict(GuildhallError):
    """The thing is in a state in which this cannot happen (any more)."""

    status = 409
    code = "conflict"
    title = "Conflict"


class Stale(GuildhallError):
    """The caller looked at an older version than the current one."""

    status = 412
    code = "stale"
    title = "Changed meanwhile"


class TooLarge(GuildhallError):
    """The input is larger than accepted."""

    status = 413
    code = "too_large"
    title = "Too large"


class LimitExceeded(GuildhallError):
    """A budget or plan limit is used up; says what, how much and until when."""

    status = 402
    code = "limit_exceeded"
    title = "Limit reached"


class RateLimited(GuildhallError):
    """Too many requests in a window; `extra["retry_after"]` is in seconds."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"


class Unavailable(GuildhallError):
    """A part this needs is not there now; trying later may help."""

    status = 503
    code = "unavailable"
    title = "Unavailable"
