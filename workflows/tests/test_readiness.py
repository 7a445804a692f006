"""Definition of Ready: what earns points, and what is said about the rest."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from workflows.readiness import Readiness, checklist, score

pytestmark = pytest.mark.unit

READY = Readiness(
    title="Answer returns",
    brief="Customers ask about returns and find no answer on the page.",
    acceptance=("Given a visitor, when they open the FAQ, then they read the return period",),
    size="S",
    priority="normal",
    dependencies=(),
    risk_labels=(),
    budget_usd=Decimal("0.5"),
)


def test_a_complete_story_scores_100_and_misses_nothing() -> None:
    items = checklist(READY)
    assert score(items) == 100
    assert [item.missing for item in items] == [""] * 8
    assert sum(item.points for item in items) == 100


@pytest.mark.parametrize(
    ("change", "item", "points"),
    [
        ({"title": "Returns"}, "title", 90),
        ({"brief": "too short"}, "brief", 85),
        ({"acceptance": ()}, "acceptance criteria", 75),
        ({"acceptance": ("It works",)}, "acceptance criteria", 75),
        ({"acceptance": ("Given a when b then c", "When a given b then c")}, "acceptance criteria", 87),
        ({"size": "huge"}, "size", 90),
        ({"dependencies": None}, "dependencies", 90),
        ({"priority": ""}, "priority", 90),
        ({"risk_labels": None}, "risk labels", 90),
        ({"budget_usd": Decimal(0)}, "budget", 90),
        ({"budget_usd": None}, "budget", 90),
    ],
)
def test_each_gap_costs_its_points_and_is_named(change: dict[str, Any], item: str, points: int) -> None:
    items = checklist(replace(READY, **change))
    assert score(items) == points
    assert [line.name for line in items if line.missing] == [item]
