"""Running a whole suite, and what came of it: per task and in all, as a table and as JSON."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from governance.selectors.money import spend_of, total_spent
from gpu_workers.suite.incident_form import SuiteIncident
from gpu_workers.suite.people import Ground, close_ground, open_ground
from gpu_workers.suite.pipeline import Attempt, Pause, attempt
from gpu_workers.suite.reading import Work
from gpu_workers.suite.triage import triage
from guildhall.kernel.tenancy import tenant_scope

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskLine:
    """What came of one task: money in US dollars, time in seconds."""

    task: str
    outcome: str
    cost_usd: Decimal
    tokens_in: int
    tokens_out: int
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """What came of a suite. `cost_usd` is all that its tenant spent, by its ledger."""

    tenant: str
    model: str
    lines: tuple[TaskLine, ...]
    cost_usd: Decimal
    seconds: float

    @property
    def solved(self) -> int:
        return sum(line.outcome == "solved" for line in self.lines)

    def as_dict(self) -> dict[str, Any]:
        """As JSON values: money as decimal text."""
        tasks = [
            {**asdict(line), "cost_usd": str(line.cost_usd), "seconds": round(line.seconds, 3)} for line in self.lines
        ]
        return {
            "tenant": self.tenant,
            "model": self.model,
            "solved": self.solved,
            "of": len(self.lines),
            "cost_usd": str(self.cost_usd),
            "tokens_in": sum(line.tokens_in for line in self.lines),
            "tokens_out": sum(line.tokens_out for line in self.lines),
            "seconds": round(self.seconds, 3),
            "tasks": tasks,
        }

    def as_table(self) -> str:
        """For people: a line for each task, the sum, and why tasks were not solved."""
        rows = [("task", "outcome", "cost USD", "tokens in", "tokens out", "seconds")]
        for line in self.lines:
            rows.append(
                (
                    line.task,
                    line.outcome,
                    _usd(line.cost_usd),
                    str(line.tokens_in),
                    str(line.tokens_out),
                    f"{line.seconds:.1f}",
                )
            )
        about = self.as_dict()
        sums = (_usd(self.cost_usd), str(about["tokens_in"]), str(about["tokens_out"]), f"{self.seconds:.1f}")
        rows.append((f"solved {self.solved} of {len(self.lines)}", self.model, *sums))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        said = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        why = [f"{line.task}: {line.reason}" for line in self.lines if line.reason]
        return "\n".join([*said, *why])


def run_suite(
    works: list[Work],
    model: str,
    *,
    seconds: float,
    pause: Pause,
    keep: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> SuiteReport:
    """Work on `works` one after the other in a tenant of their own, each `seconds` at most.

    `pause` is called while the platform works; `told` hears how each task went. What became of the others is reported whatever
    happens at one, and when it is interrupted. The tenant is suspended afterwards unless it is to be kept open.
    """
    began = time.monotonic()
    ground = open_ground()
    try:
        attempts = _all(ground, works, seconds=seconds, pause=pause, told=told)
        pause(ground.schema)
        with tenant_scope(ground.schema):
            lines = tuple(_line(one) for one in attempts)
            spent = total_spent()
    finally:
        if not keep:
            close_ground(ground)
    return SuiteReport(ground.schema, model, lines, spent, time.monotonic() - began)


def _all(
    ground: Ground, works: list[Work], *, seconds: float, pause: Pause, told: Callable[[str], None]
) -> list[Attempt]:
    """How each went, as far as they came before somebody interrupts."""
    attempts: list[Attempt] = []
    try:
        for number, work in enumerate(works, 1):
            attempts.append(_one(ground, number, work, seconds=seconds, pause=pause))
            told(f"{work.name}: {attempts[-1].outcome}")
    except KeyboardInterrupt:
        told("Stopped; this is what is known so far.")
    return attempts + [Attempt(work.name, (), "not_run", "", 0.0) for work in works[len(attempts) :]]


def _one(ground: Ground, number: int, work: Work, *, seconds: float, pause: Pause) -> Attempt:
    began = time.monotonic()
    try:
        if isinstance(work, SuiteIncident):
            return triage(ground, number, work, seconds=seconds, pause=pause)
        return attempt(ground, number, work, seconds=seconds, pause=pause)
    except Exception as error:
        # The others are still to be judged; what broke stands in the report and, whole, in the log.
        logger.exception("task %s of the suite", work.name)
        return Attempt(work.name, (), "broke", str(error) or type(error).__name__, time.monotonic() - began)


def _line(done: Attempt) -> TaskLine:
    spent = [spend_of(dimension, value) for dimension, value in done.owners]
    return TaskLine(
        task=done.task,
        outcome=done.outcome,
        cost_usd=sum((one.spent for one in spent), Decimal(0)),
        tokens_in=sum(one.tokens_in for one in spent),
        tokens_out=sum(one.tokens_out for one in spent),
        seconds=done.seconds,
        reason=done.reason,
    )


def _usd(amount: Decimal) -> str:
    return f"{amount:.6f}"
