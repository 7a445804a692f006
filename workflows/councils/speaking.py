"""Who is to sit on a council, and what a seat says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Chair:
    """An agent that is to sit on a council: its reference, its name and the role that it sits for."""

    agent: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Message:
    """What a seat said. `scores` are, by the other seats' letters, ratings and reasons by criterion."""

    phase: str
    letter: str
    about: str = ""
    attempt: int = 1
    title: str = ""
    text: str = ""
    problem: str = ""
    scores: Mapping[str, Mapping[str, tuple[int, str]]] = field(default_factory=dict)
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)
    duration_ms: int = 0
