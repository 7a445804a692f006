"""What follows for those who look on: inbox lines of moves, watchers of what they wrote, bytes of deleted files.

These are rows made from events for reading, like an index; a second delivery finds them there.
"""

from django.core.files.storage import default_storage
from django.db.models import QuerySet

from guildhall.kernel.consumers import Delivered, consumer
from workflows.comfort_events import FileDeleted
from workflows.events import StoryCreated, StoryTransitioned, TaskTransitioned
from workflows.machines import STORY, TASK
from workflows.models import Notice, NoticeKind, Story, Task, Watch
from workflows.selectors.people import members_who_see


@consumer("workflows.watchers", kinds=[StoryCreated])
def follow_what_one_writes(event: Delivered) -> None:
    """Whoever writes a story follows it."""
    told = event.data
    if not isinstance(told, StoryCreated) or event.actor["kind"] != "person":
        return
    story = Story.objects.filter(reference=told.story).first()
    if story is not None:
        Watch.objects.bulk_create(
            [Watch(story=story, person=event.actor["ref"], created_at=event.at)], ignore_conflicts=True
        )


@consumer("workflows.notices", kinds=[StoryTransitioned, TaskTransitioned])
def tell_watchers(event: Delivered) -> None:
    """A line for each who follows the story or the task that moved, the mover left out."""
    told = event.data
    if isinstance(told, TaskTransitioned):
        task = Task.objects.select_related("story__project").filter(reference=told.task).first()
        if task is not None:
            sentence = f"moved {told.task} to {TASK.states[told.to_state]}"
            _tell(event, task.story, task, _following(event, task.watches.all()), sentence)
    elif isinstance(told, StoryTransitioned):
        story = Story.objects.select_related("project").filter(reference=told.story).first()
        if story is not None:
            sentence = f"moved {story} to {STORY.states[told.to_state]}"
            _tell(event, story, None, _following(event, story.watches.filter(task=None)), sentence)


def _following(event: Delivered, watches: QuerySet[Watch]) -> list[Watch]:
    """Those who followed then; whoever began later is not told of old moves when they are read once more."""
    return list(watches.filter(wanted=True, created_at__lte=event.at))


def _tell(event: Delivered, story: Story, task: Task | None, watches: list[Watch], sentence: str) -> None:
    mover = event.actor["ref"]
    seeing = members_who_see(story, [watch.person for watch in watches if watch.person != mover])
    Notice.objects.bulk_create(
        [
            Notice(
                person=ref,
                kind=NoticeKind.MOVED,
                story=story,
                task=task,
                event=event.id,
                sentence=sentence[:300],
                actor=mover,
                actor_name=event.actor["name"][:200],
            )
            for ref in sorted(seeing)
        ],
        ignore_conflicts=True,
    )


@consumer("workflows.files", kinds=[FileDeleted])
def remove_bytes(event: Delivered) -> None:
    """The file goes once its row is gone; a file that is gone already is no matter."""
    if isinstance(event.data, FileDeleted):
        default_storage.delete(event.data.stored)
