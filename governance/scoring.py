"""Reputation: a score that is a fold over events, and what a score allows. Pure; no Django."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

START = 100
RESTRICTED_BELOW = 50


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
    return weights[kind]
