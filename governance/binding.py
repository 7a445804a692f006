"""What an approval is bound to, as bytes that can be compared. Pure; no Django."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from guildhall.kernel.redaction import redact_data


def binding_hash(binding: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the canonical JSON of `binding`: sorted keys, no spaces, UTF-8.

    Secrets count as the mark that they are stored as, so that what is stored and what is carried out hash alike.

    Raises ValueError for what JSON cannot carry exactly (floats are refused: 0.1 has no one spelling).
    """
    _refuse_inexact(binding)
    text = json.dumps(
        redact_data(dict(binding)), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_inexact(value: Any) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"a binding's keys are text, not {key!r}")
            _refuse_inexact(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_inexact(inner)
    elif not (value is None or isinstance(value, str | bool | int)):
        raise ValueError(f"a binding holds text, whole numbers, booleans and lists of them, not {value!r}")
