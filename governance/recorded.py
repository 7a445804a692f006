"""What was done, in the form in which a policy can be asked about it again. Pure; rooms bring what they recorded."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from governance.autonomy import ActionClass, Autonomy, Risk
from governance.scoring import PermissionLevel

PERIOD = timedelta(days=30)


class RecordedKind(StrEnum):
    TOOL_CALL = "tool_call"
    CHANGE = "change"
    RUN = "run"
    MODEL_CALL = "model_call"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class Standing:
    """What an agent may do besides the policy: its level and whether it is restricted, and what its strategy and its own
    cap leave."""

    level: PermissionLevel
    restricted: bool = False
    strategy: Autonomy = Autonomy.SUPERVISED
    cap: Autonomy = Autonomy.AUTOPILOT


@dataclass(frozen=True, slots=True)
class Recorded:
    """One thing that was done. What does not concern its kind is left as it is.

    `secret` is the kept secret that a call uses, `host` and port what it connects to. `asked` is the kind of an approval,
    `environment` where it led to something, and `done_at` when.
    `owners` names who paid for a model call, by scope; `yes` is how many people approved, `risk` what it was taken for.
    """

    kind: RecordedKind
    at: datetime
    ref: str
    title: str
    role: str = ""
    standing: Standing | None = None
    effect: ActionClass | None = None
    tool: str = ""
    secret: str = ""
    host: tuple[str, int] | None = None
    command: str = ""
    paths: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    risk: Risk | None = None
    confidence: Decimal | None = None
    model: str = ""
    cost: Decimal = Decimal(0)
    tokens: int = 0
    owners: tuple[tuple[str, str], ...] = ()
    yes: int = 0
    asked: str = ""
    environment: str = ""
    done_at: datetime | None = None


Source = Callable[[datetime, int], Iterable[Recorded]]
_sources: dict[str, Source] = {}


def register_recorded(name: str, source: Source) -> None:
    """Add a room's recorded actions: `source(since, most)` gives the newest `most` since then, in the tenant's scope."""
    _sources[name] = source


def recorded_since(since: datetime, most: int) -> list[Recorded]:
    """What all rooms recorded since then, at most `most` of each."""
    return [action for name in sorted(_sources) for action in _sources[name](since, most)]
