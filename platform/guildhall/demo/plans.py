"""What the demo's product owner wants, and the sprint that it begins with."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from guildhall.kernel.actor import Actor
from workflows.actions import create_epic, create_strategy, open_sprint
from workflows.models import Epic, Project

SPRINT_DAYS = 13


def plan_project(owner: Actor, project: Project) -> Epic:
    """A strategy, an epic of it and an open sprint; the tenant's scope is entered. What is there already stays."""
    strategy = project.strategies.order_by("id").first() or create_strategy(
        actor=owner,
        project=project,
        title="Customers find their answers",
        goal="Whoever has a question about an order finds the answer in the handbook, without writing to us.",
        success_measure="Fewer than ten mails a week ask what the handbook could have answered.",
        budget_usd=Decimal("25"),
    )
    epic = project.epics.order_by("rank").first() or create_epic(
        actor=owner,
        project=project,
        title="Questions from the inbox",
        description="One entry for each question that customers ask most often.",
        strategy=strategy,
    )
    if not project.sprints.exists():
        today = datetime.now(UTC).date()
        open_sprint(
            actor=owner,
            project=project,
            content={
                "goal": "The questions about returns are answered.",
                "capacity": 8,
                "starts_on": today,
                "ends_on": today + timedelta(days=SPRINT_DAYS),
            },
        )
    return epic
