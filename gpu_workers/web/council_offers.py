"""What somebody may do with a council: the same answer for its page and for the API."""

from gpu_workers.models import Run
from gpu_workers.web.again import given_up_on
from guildhall.kernel.actor import Actor
from workflows.actions.councils import CLOSED_STORIES
from workflows.models import Council, Story
from workflows.selectors.councils import passed

CALLERS = ("product_owner", "architect")
"""Who calls councils and lets stories go on without one."""
OFFERS = ("call", "retry", "waive")


def may_call(actor: Actor, story: Story) -> bool:
    """Whether the actor may have a council deliberate on this story."""
    return actor.has_role(*CALLERS) and story.state not in CLOSED_STORIES


def offers_on(actor: Actor, council: Council, run: Run | None) -> list[str]:
    """Of `OFFERS` what the actor may do now: call another one, retry its latest `run`, or let the story go on without it.

    An open council that no run is at, as all of its seats rest, keeps the story waiting: people may let it go on.
    """
    if passed(council) or (council.is_open and run is not None and run.is_open):
        return []
    waits = council.stands and not council.waived_by
    offered = {
        "call": not council.is_open and may_call(actor, council.story),
        "retry": bool(waits and run is not None and given_up_on(actor, [run])),
        "waive": waits and actor.has_role(*CALLERS),
    }
    return [name for name in OFFERS if offered[name]]
