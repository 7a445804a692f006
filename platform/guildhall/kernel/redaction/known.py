"""Secrets that are known word for word: this installation's own and those that are configured for a tenant's providers."""

import base64
import json
import re
import threading
from urllib.parse import quote

SHORTEST = 8
"""Anything shorter would be found in words."""

_values: set[str] = set()
_lock = threading.Lock()
_pattern: re.Pattern[str] | None = None


def keep_secret(*values: str) -> None:
    """Have these values redacted wherever they appear from now on in this process, however they are written.

    That is as they are, in JSON, in an address and in base64. Values of less than 8 characters are left alone.
    """
    global _pattern
    with _lock:
        fresh = {form for value in values if len(value) >= SHORTEST for form in _forms(value)} - _values
        if not fresh:
            return
        _values.update(fresh)
        longest_first = sorted(_values, key=lambda value: (-len(value), value))
        _pattern = re.compile("|".join(map(re.escape, longest_first)))


def known_values() -> re.Pattern[str] | None:
    """One expression for all of them, or None while there are none."""
    return _pattern


def _forms(value: str) -> set[str]:
    encoded = base64.b64encode(value.encode()).decode()
    url_safe = base64.urlsafe_b64encode(value.encode()).decode()
    return {value, json.dumps(value)[1:-1], quote(value, safe=""), encoded, url_safe, encoded.rstrip("=")}
