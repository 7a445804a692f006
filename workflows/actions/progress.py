"""The history that a sprint's burn-down is drawn from: one row per act that changed what remains of a story."""

from django.db.models import Sum

from workflows.burndown import ENTERED, points_of
from workflows.machines import EXECUTING
from workflows.models import SprintChange, Story

ENTERING = ("commit_to_sprint", "continue")
"""Acts that bring a story into a sprint; its budget has to be there for them."""


def note_progress(story: Story, cause: str) -> None:
    """Write by how much the act `cause` changed what remains of the story in its sprint, and in one that it left.

    Called at the end of an act, inside its transaction, with the story's row locked. What remains now is compared with the
    sum of what was written, so an act that changes nothing writes nothing.
    """
    written = SprintChange.objects.filter(story=story).values("sprint").order_by("sprint")
    sums = {row["sprint"]: (row["p"], row["t"]) for row in written.annotate(p=Sum("points"), t=Sum("tasks"))}
    if story.sprint_id is not None:
        sums.setdefault(story.sprint_id, (0, 0))
    for sprint_id, (points, tasks) in sums.items():
        now_points, now_tasks = _remaining(story) if sprint_id == story.sprint_id else (0, 0)
        entered = sprint_id == story.sprint_id and cause in ENTERING
        if entered or (now_points, now_tasks) != (points, tasks):
            SprintChange.objects.create(
                sprint_id=sprint_id,
                story=story,
                points=now_points - points,
                tasks=now_tasks - tasks,
                cause=ENTERED if entered else cause[:40],
            )


def _remaining(story: Story) -> tuple[int, int]:
    """Points and unfinished tasks of a story that is being worked on; nothing of one that was accepted."""
    if story.state not in EXECUTING:
        return 0, 0
    return points_of(story.size), story.tasks.exclude(state__in=["done", "cancelled"]).count()
