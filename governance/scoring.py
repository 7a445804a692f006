"""Reputation: a score that is a fold over events, and what a score allows. Pure; no Django."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

START = 100
RESTRICTED_BELOW = 50
DECAY_PERCENT = 1
IDLE_WEEK = timedelta(days=7)
"""After each of these without work a score decays by `DECAY_PERCENT`, but never below `RESTRICTED_BELOW`."""


class ReputationKind(StrEnum):
    RUN_SUCCEEDED = "run_succeeded"
    RUN_FAILED = "run_failed"
    COST_OVERRUN = "cost_overrun"
    VIOLATION = "violation"
    CHANGE_REVERTED = "change_reverted"
    ESCALATED = "escalated"
    TESTS_PASSED = "tests_passed"
    TESTS_FAILED = "tests_failed"
    ADJUSTED = "adjusted"
    DECAY = "decay"


SHIPPED: Mapping[ReputationKind, int] = {
    ReputationKind.RUN_SUCCEEDED: 10,
    ReputationKind.RUN_FAILED: -5,
    ReputationKind.COST_OVERRUN: -20,
    ReputationKind.VIOLATION: -20,
    ReputationKind.CHANGE_REVERTED: -15,
    ReputationKind.ESCALATED: -8,
    ReputationKind.TESTS_PASSED: 2,
    ReputationKind.TESTS_FAILED: -3,
}
"""What happenings are worth where the policy does not say. People's adjustments and decay have no weight."""


class PermissionLevel(StrEnum):
    SANDBOX_ONLY = "sandbox_only"
    STAGING_ACCESS = "staging_access"
    PROD_LOW_RISK = "prod_low_risk"
    PROD_FULL_ACCESS = "prod_full_access"


_FLOORS = (
    (160, PermissionLevel.PROD_FULL_ACCESS),
    (130, PermissionLevel.PROD_LOW_RISK),
    (90, PermissionLevel.STAGING_ACCESS),
)


def fold(points: Iterable[int], start: int = START) -> int:
    """The score after `points` in their order. It never falls below 0, so the order matters there."""
    score = start
    for step in points:
        score = max(0, score + step)
    return score


def level_of(score: int) -> PermissionLevel:
    """The permission level that a score gives."""
    return next((level for floor, level in _FLOORS if score >= floor), PermissionLevel.SANDBOX_ONLY)


def is_restricted(score: int) -> bool:
    """Whether every action of an agent with this score asks first."""
    return score < RESTRICTED_BELOW


def points_for(kind: ReputationKind, weights: Mapping[str, int]) -> int:
    """The points of one event by the tenant's weights. Raises KeyError for a kind that has no weight."""
    return weights[kind] if kind in weights else SHIPPED[kind]


def decay_of(score: int) -> int:
    """The points that a week without work takes from `score`: 0 from `RESTRICTED_BELOW` down, negative above."""
    left = score * (100 - DECAY_PERCENT) // 100
    return max(RESTRICTED_BELOW, left) - score if score > RESTRICTED_BELOW else 0


def idle_weeks(since: datetime, now: datetime) -> int:
    """How many whole weeks have gone by without work."""
    return max(0, (now - since) // IDLE_WEEK)


def next_level(score: int) -> tuple[PermissionLevel, int] | None:
    """The level above the score's own and how many points it takes to get there; None at the top."""
    above = [(floor, level) for floor, level in _FLOORS if floor > score]
    return (above[-1][1], above[-1][0] - score) if above else None
