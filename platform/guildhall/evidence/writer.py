"""The one writer of evidence: event, audit entry and payload in one statement of the open transaction."""

import hashlib
import json
import os
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from guildhall.kernel.actor import Actor
from guildhall.kernel.events import Event, check_known
from guildhall.kernel.operation import current_operation
from guildhall.kernel.redaction import redact, redact_data

INSERT = """
WITH event AS (
    INSERT INTO outbox_event (kind, version, subject, payload, actor, operation_id, trace_id)
    VALUES (%(kind)s, %(version)s, %(subject)s, %(payload)s, %(actor)s, %(operation)s, %(trace)s)
    RETURNING id
), entry AS (
    INSERT INTO audit_entry
        (kind, action, outcome, subject, actor_ref, operation_id, trace_id, event_id, payload_digest)
    SELECT %(kind)s, %(action)s, %(outcome)s, %(subject)s, %(actor_ref)s, %(operation)s, %(trace)s, event.id, %(digest)s
    FROM event RETURNING id
)
INSERT INTO audit_payload (entry_id, salt, body) SELECT id, %(salt)s, %(body)s FROM entry
"""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, the form that digests are taken of. Raises ValueError on NaN, infinity."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), cls=DjangoJSONEncoder, ensure_ascii=False, allow_nan=False
    )


def digested(body: str) -> str:
    """The canonical form of JSON text that has been, or will have been, through a jsonb column.

    jsonb gives 1e22 back as a whole number and -0.0 as 0.0, so whole floats are whole numbers here before and after.
    """
    return canonical(json.loads(body, parse_float=_number))


def _number(text: str) -> int | float:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(text)


def payload_digest(salt: bytes, body: str) -> bytes:
    """SHA-256 over salt and canonical body, 32 bytes."""
    return hashlib.sha256(salt + body.encode()).digest()


def write(event: Event, *, actor: Actor, action: str, outcome: str, reason: str, before: Any, after: Any) -> None:
    """Record `event`, without the secrets in it. The tenant of both rows is the database role itself, not an argument.

    Raises `UnknownEvent` for a class outside the closed vocabulary: nobody could read the row later.
    """
    check_known(event)
    operation = current_operation()
    payload = redact_data(event.model_dump(mode="json"))
    body = canonical(
        {
            "actor": actor.as_dict(),
            "via": actor.via,
            "address": actor.address or operation.address,
            "sentence": redact(event.sentence()),
            "reason": redact(reason),
            "event": payload,
            "before": redact_data(before),
            "after": redact_data(after),
        }
    )
    salt = os.urandom(16)
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT,
            {
                "kind": event.kind,
                "version": event.version,
                "subject": event.subject,
                "payload": canonical(payload),
                "actor": canonical(actor.as_dict()),
                "operation": operation.id,
                "trace": operation.trace_id,
                "action": action,
                "outcome": outcome,
                "actor_ref": actor.ref,
                "digest": payload_digest(salt, digested(body)),
                "salt": salt,
                "body": body,
            },
        )
