"""The board: how many stories stand where, and the first of each lane. Bounded, however many stories there are."""

from collections.abc import Mapping
from dataclasses import replace

from django.db.models import Count, QuerySet

from guildhall.kernel.actor import Actor
from workflows.machines import STORY
from workflows.models import Story
from workflows.selectors.filters import SHOWS, StoryFilter, matching, shown_as

LANE = 12
"""Cards of a lane before “show more”."""

DEEPEST = 15
"""How many times a lane can be made longer; beyond that the list is the better view."""


def counts(stories: QuerySet[Story]) -> dict[str, int]:
    """How many of `stories` are in which state; states without any are left out."""
    grouped = stories.order_by().values("state").annotate(number=Count("pk"))
    return {row["state"]: row["number"] for row in grouped}


def lanes(stories: QuerySet[Story], depths: Mapping[str, int] | None = None) -> dict[str, list[Story]]:
    """The stories of each state that moved last, LANE times the depth (1 unless given) of each; archived ones not.

    Three statements, one of which reads the first few entries of an index for each lane.
    """
    found: dict[str, list[Story]] = {state: [] for state in STORY.states if state != "archived"}
    heads = [
        stories.filter(state=state).order_by("-changed_at", "-id").values("pk")[: LANE * (depths or {}).get(state, 1)]
        for state in found
    ]
    keys = [row["pk"] for row in heads[0].union(*heads[1:], all=True)]
    rows = Story.objects.select_related("project", "epic", "sprint").filter(pk__in=keys)
    for story in rows.prefetch_related("tasks", "labels").order_by("-changed_at", "-id"):
        found[story.state].append(story)
    return found


def numbers(actor: Actor, wanted: StoryFilter) -> dict[str, int]:
    """How many stories each choice of `show` would keep beside the rest of the filter; "" is all of them."""
    stories = matching(actor, replace(wanted, show="")).exclude(state="archived")
    found = {show: Count("pk", filter=shown_as(actor, show)) for show in SHOWS}
    counted = stories.aggregate(all=Count("pk"), **found)
    return {"": counted.pop("all"), **counted}
