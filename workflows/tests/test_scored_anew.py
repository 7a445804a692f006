"""The Definition of Ready of a story is what it says now: every edit scores it anew, and nothing else moves it."""

from decimal import Decimal
from typing import Any

import pytest

from guildhall.kernel.errors import Invalid
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.actions import close_epic, create_epic, create_story, create_strategy, edit_story
from workflows.models import Story
from workflows.tests.world import CRITERION, World

pytestmark = pytest.mark.integration
STEPS: list[tuple[dict[str, Any], str, int]] = [
    ({"title": "Answer returns"}, "title", 10),
    ({"brief": "Customers ask about returns and find no answer there."}, "brief", 15),
    ({"acceptance": [CRITERION]}, "acceptance criteria", 25),
    ({"size": "S"}, "size", 10),
    ({"depends_on": []}, "dependencies", 10),
    ({"priority": "high"}, "priority", 10),
    ({"risk_labels": ["docs"]}, "risk labels", 10),
    ({"budget_usd": Decimal("0.4")}, "budget", 10),
]


def test_each_edit_scores_all_eight_criteria_anew(tenant: TestTenant) -> None:
    world = World(tenant)
    with tenant_scope(tenant.schema):
        other = create_story(actor=world.po, project=world.project, content={"title": "Pay by card"})
        story = create_story(actor=world.developer, project=world.project, content={"title": "Returns"})
        goal = create_strategy(actor=world.po, project=world.project, goal="Fewer questions.")
        epic = create_epic(actor=world.po, project=world.project, title="Answers", strategy=goal)
        closed = close_epic(actor=world.po, epic=create_epic(actor=world.po, project=world.project, title="Old"))

        def now() -> tuple[int, set[str]]:
            """The stored score and what its stored checklist misses."""
            row = Story.objects.get(pk=story.pk)
            assert row.dor_score == sum(item["earned"] for item in row.dor_checklist)
            return row.dor_score, {item["name"] for item in row.dor_checklist if item["missing"]}

        def edit(expected: int, *missing: str, place: Any = None, **content: Any) -> None:
            edit_story(actor=world.developer, story=story, content=content, place=place)  # type: ignore[arg-type]
            assert now() == (expected, set(missing))

        expected, left = 0, [name for _, name, _ in STEPS]
        assert now() == (0, set(left))
        for content, name, points in STEPS:
            expected += points
            left.remove(name)
            edit(expected, *left, **content)
        assert expected == 100
        edit(100, place={"epic": epic})
        assert Story.objects.get(pk=story.pk).strategy == goal, "an epic brings its strategy"
        edit(90, "budget", budget_usd=None, place={"epic": None, "strategy": None})
        edit(80, "budget", "dependencies", depends_on=None)
        edit(90, "budget", depends_on=[other.reference])
        for refused in ({"depends_on": ["SHOP-99"]}, {"depends_on": [story.reference]}, {"budget_usd": Decimal(-1)}):
            with pytest.raises(Invalid):
                edit_story(actor=world.developer, story=story, content=refused)  # type: ignore[arg-type]
        edit_story(actor=world.po, story=other, content={"title": "Pay by any card"})
        with pytest.raises(Invalid, match="Stories would wait"):
            edit_story(actor=world.po, story=other, content={"depends_on": [story.reference]})
        with pytest.raises(Invalid):
            edit_story(actor=world.po, story=story, content={"budget_usd": Decimal(1)}, place={"epic": closed})
        assert now() == (90, {"budget"}), "what was refused changed nothing"
        edit(100, budget_usd=Decimal(1))
