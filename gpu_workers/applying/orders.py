"""What is to be applied and where, and what applies it."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import Protocol

from governance.autonomy import ActionClass as Effect
from gpu_workers.applying.outcomes import Outcome
from gpu_workers.applying.plans import Applicable
from gpu_workers.forges.vault import Opening
from gpu_workers.tools.contract import ToolResult

NOTHING = "Nothing was applied."


@dataclass(frozen=True, slots=True)
class Order:
    """One plan of a run, to be applied to one place: everything that people are asked about, and bound to.

    `step` is the run's that made it, `environment` where it goes to as release controls name it, `place` the project's target,
    `login` what tells the sealed login to it from another one.
    """

    project: str
    step: str
    plan: Applicable
    commit_sha: str
    environment: str
    place: str
    login: str

    def facts(self) -> dict[str, str]:
        """What an approval binds of it."""
        return {
            "plan": self.step,
            "plan_hash": self.plan.digest,
            "commit_sha": self.commit_sha,
            "environment": self.environment,
            "place": self.place,
            "login": self.login,
        }


def mark_of(sealed: str) -> str:
    """What tells one sealed login from every other, and nothing of what is in it."""
    return hashlib.sha256(sealed.encode()).hexdigest()[:16]


def nothing(why: str) -> ToolResult:
    """What an applier says that the target never heard from."""
    return ToolResult(False, f"{NOTHING} {why}", {"applied": 0, "outcome": Outcome.NOT_APPLIED})


class Applier(Protocol):
    """Applies plans of one kind. `effects` are what it does besides deploying, for autonomy and policy."""

    @property
    def kind(self) -> str: ...

    @property
    def effects(self) -> tuple[Effect, ...]: ...

    def place(self, project: str) -> str:
        """Where a project's plans go, as people are told; "" where the project names nothing for it."""
        ...

    def login(self, project: str) -> str:
        """A mark of the sealed login to that place: another one, however alike, is another question. "" where there is none."""
        ...

    def apply(self, order: Order, opening: Opening, *, again: bool, cancel: threading.Event | None) -> ToolResult:
        """Apply exactly what the order says, or nothing, and say what came of it: `ok` where the target has it now, and in
        the data the `Outcome` and how many parts are known to be applied.

        The target is looked at first: what is stale is refused. `again` says that a worker began this and ended: what it
        did is found out from the target, and not done over. No connection of ours is held meanwhile.
        """
        ...
