"""One operation ties a request, its jobs, its model calls and its events together."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """`id` is carried from the request to everything it causes; `trace_id` is W3C (32 hex digits)."""

    id: str
    trace_id: str
    address: str = ""


_operation: ContextVar[Operation | None] = ContextVar("operation", default=None)


def current_operation() -> Operation:
    """The operation in progress; one is begun when there is none."""
    operation = _operation.get()
    if operation is None:
        operation = Operation(id=str(uuid.uuid4()), trace_id=uuid.uuid4().hex)
        _operation.set(operation)
    return operation


@contextmanager
def operation_scope(
    operation_id: str | None = None, trace_id: str | None = None, address: str = ""
) -> Iterator[Operation]:
    """Everything inside belongs to this operation."""
    operation = Operation(id=operation_id or str(uuid.uuid4()), trace_id=trace_id or uuid.uuid4().hex, address=address)
    token = _operation.set(operation)
    try:
        yield operation
    finally:
        _operation.reset(token)
