"""Secrets that are known word for word: this installation's own, and each tenant's, which count in its scope alone.

A tenant chooses what it says its secrets are. Were they looked for everywhere, it could take words out of another
tenant's records; so they are kept by tenant, and what could be a word, a name or a state is not kept at all.
"""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import quote

from guildhall.kernel.postgres.scope import standing

SHORTEST = 8
"""Anything shorter would be found in words."""
SHORTEST_OF_TENANTS = 12
DIFFERENT = 6
"""Characters that a tenant's secret has at least, and how many different ones."""

_INSTALLATION = ""
_values: dict[str, set[str]] = {}
_patterns: dict[str, re.Pattern[str]] = {}
_lock = threading.Lock()
_tried: ContextVar[re.Pattern[str] | None] = ContextVar("tried_secret", default=None)


def keep_secret(*values: str, tenant: str = _INSTALLATION) -> None:
    """Have these values redacted from now on in this process, however they are written; a tenant's in its scope alone.

    That is as they are, in JSON, in an address and in base64. Values of less than 8 characters are left alone, and of a
    tenant's those that `is_mixed` says no to.
    """
    with _lock:
        known = _values.setdefault(tenant, set())
        fresh = {form for value in values if _is_kept(value, tenant) for form in _forms(value)} - known
        if fresh:
            known.update(fresh)
            _patterns[tenant] = _pattern(known)


@contextmanager
def tried_secret(value: str) -> Iterator[None]:
    """Have a value that nobody has looked at yet redacted in what this context says, and nowhere else."""
    token = _tried.set(_pattern(_forms(value)) if is_mixed(value) else None)
    try:
        yield
    finally:
        _tried.reset(token)


def known_values() -> list[re.Pattern[str]]:
    """One expression for the installation's, one for those of the tenant in whose scope this runs, one for what is tried."""
    scope = standing.get().role or _INSTALLATION
    kept = [_patterns.get(owner) for owner in dict.fromkeys((_INSTALLATION, scope))]
    return [one for one in (*kept, _tried.get()) if one is not None]


def values_of_all() -> list[re.Pattern[str]]:
    """Those of every tenant: for what the process writes about itself, which no tenant reads."""
    kept = list(_patterns.copy().values())
    return [*kept, tried] if (tried := _tried.get()) is not None else kept


def is_mixed(value: str) -> bool:
    """Whether `value` can be no word, state or name of a field: 12 characters, 6 different, and of two kinds."""
    kinds = sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]", r"[^A-Za-z0-9_.: -]"))
    return len(value) >= SHORTEST_OF_TENANTS and len(set(value)) >= DIFFERENT and kinds >= 2


def _is_kept(value: str, tenant: str) -> bool:
    return len(value) >= SHORTEST if tenant == _INSTALLATION else is_mixed(value)


def _pattern(values: set[str]) -> re.Pattern[str]:
    longest_first = sorted(values, key=lambda value: (-len(value), value))
    return re.compile("|".join(map(re.escape, longest_first)))


def _forms(value: str) -> set[str]:
    encoded = base64.b64encode(value.encode()).decode()
    url_safe = base64.urlsafe_b64encode(value.encode()).decode()
    return {value, json.dumps(value)[1:-1], quote(value, safe=""), encoded, url_safe, encoded.rstrip("=")}
