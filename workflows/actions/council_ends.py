"""Councils that come to no result, as parts of the acts that end them."""

from django.db.models.functions import Now

from guildhall.kernel.actions import record
from guildhall.kernel.actor import Actor
from workflows.council_events import DeliberationStopped
from workflows.models import Council, Story
from workflows.models.council import OPEN_COUNCIL


def note_stopped(council: Council, actor: Actor, reason: str) -> None:
    """Stop `council`, whose row the act holds, and tell why."""
    council.stop()
    council.reason = reason[:1000]
    council.save(update_fields=["state", "reason"])
    Council.objects.filter(pk=council.pk).update(ended_at=Now())
    event = DeliberationStopped(
        subject=council.ref, story=council.story.reference, about=council.subject, reason=reason[:500]
    )
    record(event, actor=actor, reason=council.reason)


def planned_anew(story: Story, actor: Actor) -> None:
    """What is planned anew is deliberated on anew: none of the story's councils stands any more, and none goes on."""
    for council in story.councils.select_for_update(no_key=True).filter(state__in=OPEN_COUNCIL).order_by("pk"):
        note_stopped(council, actor, f"{story.reference} is planned anew")
    story.councils.update(stands=False)
