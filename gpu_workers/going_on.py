"""What a stop of a story ended is no failed try: once people have the story go on, agents take it up again."""

from gpu_workers.actions.retries import retry_run
from gpu_workers.dispatch import dispatcher
from gpu_workers.models import Run
from gpu_workers.models.run import RunState
from gpu_workers.selectors import given_up, tries_of
from guildhall.kernel.errors import Conflict
from workflows.events import StoryTransitioned
from workflows.machines import EXECUTING
from workflows.models import Story

GOES_ON_IN = ("ready_for_planning", "ready_for_execution")
"""States by which a stopped story comes back to agents."""
AT_WORK = ("ready_for_planning", "planned", *EXECUTING)


def said_of(story: str, action: str) -> str:
    """Why a run of a stopped story was cancelled; what somebody cancelled by hand has a reason of its own."""
    return f"{story} was stopped: {action.replace('_', ' ')}"


def take_up_again(moved: StoryTransitioned) -> None:
    """Let whatever the story's stop ended be tried again, where nothing came of it since. Told again, it finds nothing."""
    if not Story.objects.filter(reference=moved.story, state__in=AT_WORK).exists():
        return
    ended = Run.objects.filter(
        story=moved.subject, state=RunState.CANCELLED, cancel_requested__startswith=said_of(moved.story, "")
    )
    for subject, kind in sorted(set(ended.values_list("subject", "kind"))):
        tries = tries_of(subject, kind)
        if not given_up(subject, kind) or not ended.filter(pk=tries[0].pk).exists():
            continue
        try:
            retry_run(actor=dispatcher(), run=tries[0], reason=f"{moved.story} goes on")
        except Conflict:
            continue  # a person was faster
