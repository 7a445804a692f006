"""What becomes of a plan that a run began to apply: as the step of the call keeps it, and as the trail tells it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from gpu_workers.applying_events import HASH_CHARS, PlanApplyBegun, PlanApplyEnded

BEGUN = "applies"
"""In a step's request: what it began to apply and where, by which tool, and the fence of the worker that began last."""


class Outcome(StrEnum):
    """How much of a plan its target has: all of it, some parts and no more, nothing, or nobody has looked."""

    APPLIED = "applied"
    PARTLY = "partly"
    NOT_APPLIED = "not_applied"
    UNKNOWN = "unknown"


def begun_with(facts: Mapping[str, str], parts: int, tool: str, fence: int) -> dict[str, Any]:
    """What a step keeps of applying that begins: an order's facts, its parts, and who applies."""
    told = {name: facts[name] for name in ("plan", "plan_hash", "commit_sha", "environment", "place")}
    return {**told, "parts": parts, "tool": tool, "fence": fence}


def begun_in(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a step began to apply; empty for one that did not."""
    return dict(request.get(BEGUN) or {})


def beginning(run: str, step: str, about: Mapping[str, Any], *, again: bool) -> PlanApplyBegun:
    """What is told before anything outside hears of it."""
    told = {name: value for name, value in about.items() if name not in ("parts", "tool", "fence")}
    return PlanApplyBegun(subject=run, step=step, again=again, **told)


def ending(run: str, step: str, about: Mapping[str, Any], response: Mapping[str, Any]) -> PlanApplyEnded:
    """What is told of it at its end. An answer that does not say what came of it does not know."""
    return PlanApplyEnded(
        subject=run,
        step=step,
        plan=str(about["plan"]),
        plan_hash=str(about["plan_hash"]),
        place=str(about["place"]),
        outcome=str(response.get("outcome") or Outcome.UNKNOWN),
        applied=int(response.get("applied", 0)),
        parts=int(about["parts"]),
    )


def left(about: Mapping[str, Any]) -> dict[str, Any]:
    """What a step answers whose worker ended while it applied, in a run that nobody goes on with."""
    plan = f"the plan {about['plan']} (SHA-256 {str(about['plan_hash'])[:HASH_CHARS]}…)"
    text = (
        f"A worker began to apply {plan} to {about['place']} and ended before it said what came of it, and so did the run. "
        "Nobody has looked: people have to compare what is there with the plan."
    )
    return {"ok": False, "text": text, "done": False, "outcome": Outcome.UNKNOWN, "applied": 0}
