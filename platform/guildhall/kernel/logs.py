"""What processes write about themselves, without secrets: every formatter, whatever its form, takes them out."""

import logging
import sys
import threading
from types import TracebackType

from guildhall.kernel.redaction import redact_data, redact_for_log

logger = logging.getLogger("guildhall.crash")


class Redacted(logging.Filter):
    """Put it on a handler: the record is told in clean words, and its exception's text is clean, for any formatter.

    A formatter that writes JSON would escape quotes first, and an escaped secret is harder to find; so it is done before.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact_for_log(record.getMessage()), None
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            # The text is all that is left of it: whoever formats the exception itself would tell everything.
            record.exc_text, record.exc_info = redact_for_log(record.exc_text), None
        if record.stack_info:
            record.stack_info = redact_for_log(record.stack_info)
        more = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        record.__dict__.update(redact_data(more, redact_for_log))
        return True


_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def watch_crashes() -> None:
    """Have what ends a process or a thread logged, where Python would print it as it is."""
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logger.critical("the process ends: %s", kind.__name__, exc_info=(kind, error, trace))


def _thread_crashed(about: threading.ExceptHookArgs) -> None:
    if about.exc_type is SystemExit or about.exc_value is None:
        return
    name = about.thread.name if about.thread else "?"
    logger.critical("thread %s ends", name, exc_info=(about.exc_type, about.exc_value, about.exc_traceback))
