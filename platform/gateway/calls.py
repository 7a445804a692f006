"""A model call as work asks for it, and its answer with everything that charging and proving it needs."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from gateway.chat import Request
from gateway.routing import Needs
from governance.scopes import Scope


@dataclass(frozen=True, slots=True)
class ModelCall:
    """What to ask, for whom and on whose account. `key` names the call: it is charged at most once under it.

    It goes to no deployment that lacks what it `needs`: where those that have it are away, it is not answered.
    `wait_s` is for a free place at the engine; `timeout_s` begins once it has one, and is for the whole answer. How long an
    engine may say nothing in between is its deployment's to say.
    """

    route: str
    key: str
    owner: str
    request: Request
    scopes: Sequence[Scope] = ()
    timeout_s: float = 600.0
    wait_s: float = 1800.0
    needs: Needs = field(default_factory=Needs)


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer with everything that charging and proving it needs; JSON through `as_dict` and `from_dict`.

    `queued_ms` is how long the call stood in line for a free place.
    """

    text: str
    tool_calls: list[dict[str, Any]]
    finish_reason: str
    cut: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    estimated: bool
    cost: Decimal
    model: str
    deployment: str
    may_judge: bool
    reservation: str
    price_version: str
    prices: dict[str, str]
    prompt_hash: str
    route: str = ""
    key: str = ""
    owner: str = ""
    mean_logprob: float | None = None
    queued_ms: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "cost": str(self.cost)}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Completion":
        return cls(**{**stored, "cost": Decimal(stored["cost"])})


def hash_of(value: Any) -> str:
    """The digest of what was said, which stands in the audit trail in its place."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
