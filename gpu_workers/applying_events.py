"""What becomes of plans that agents apply outside of the platform."""

from typing import Any, ClassVar

from guildhall.kernel.events import Event

EXAMPLE: dict[str, Any] = {"subject": "run:3", "step": "executor.2.1", "plan": "executor.1.1", "plan_hash": "5f1d" * 16}
HASH_CHARS = 12
"""Of a plan's hash, so many are said in words; the event has all of it."""


class PlanApplyBegun(Event):
    """Applying a plan begins now; nothing outside has heard of it from this worker. `again` where another began and ended.

    `place` is the project's target, without the login.
    """

    kind: ClassVar[str] = "delivery.plan.apply_begun"
    example: ClassVar[dict[str, Any]] = {
        **EXAMPLE,
        "environment": "shop:main",
        "place": "shop at k8s:6443",
        "again": False,
    }
    step: str
    plan: str
    plan_hash: str
    commit_sha: str
    environment: str
    place: str
    again: bool

    def sentence(self) -> str:
        what = _named(self.plan, self.plan_hash, self.subject)
        return f"{'goes on applying' if self.again else 'began to apply'} {what} to {self.place}"


class PlanApplyEnded(Event):
    """What came of applying a plan: `outcome` is applied, partly, not_applied or unknown.

    `applied` of its `parts` are known to be applied. Unknown is also what a worker left that ended in the middle of it.
    """

    kind: ClassVar[str] = "delivery.plan.apply_ended"
    example: ClassVar[dict[str, Any]] = {**EXAMPLE, "place": "shop at k8s:6443", "outcome": "unknown", "applied": 0}
    step: str
    plan: str
    plan_hash: str
    place: str
    outcome: str
    applied: int
    parts: int

    def sentence(self) -> str:
        what, known = _named(self.plan, self.plan_hash, self.subject), f"{self.applied} of its {self.parts} parts"
        return {
            "applied": f"applied {what} to {self.place}",
            "partly": f"applied {known} of {what} to {self.place}, and no more",
            "not_applied": f"applied nothing of {what} to {self.place}",
        }.get(
            self.outcome,
            f"does not know how much of {what} was applied to {self.place}: {known} are known to be there",
        )


def _named(plan: str, plan_hash: str, run: str) -> str:
    return f"plan {plan} ({plan_hash[:HASH_CHARS]}) of {run.replace(':', ' ')}"
