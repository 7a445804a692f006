"""Who is responsible for a story, who follows it, and what they have read."""

from django.db.models.functions import Now

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied, Invalid, NotFound
from guildhall.kernel.versions import check_version
from workflows.actions.common import save, shown
from workflows.comfort_events import NoticesRead, StoryAssigned, WatchSet
from workflows.models import Notice, NoticeKind, Story, Task, Watch
from workflows.selectors.people import assignable


@governed("story.assign", lock="story")
def assign_story(*, actor: Actor, story: Story, person: str, version: int | None = None) -> Story:
    """Make a member (`person:…`) responsible for a story, or nobody (""). It is no claim and grants nothing.

    The member follows the story from then on and is told. Raises `Invalid` for somebody who is no member of the team.
    """
    check_version(story, version)
    names = dict(assignable(actor))
    if person and person not in names:
        problem = "Choose a member of the team."
        raise Invalid(problem, fields={"assignee": [problem]})
    before = {"assignee": story.assignee}
    story.assignee, story.assignee_name = person, names.get(person, "")
    save(story, "assignee", "assignee_name")
    if person:
        Watch.objects.get_or_create(story=story, task=None, person=person)
    if person and person != actor.ref:
        Notice.objects.create(
            person=person,
            kind=NoticeKind.ASSIGNED,
            story=story,
            sentence=f"made you responsible for {story}"[:300],
            actor=actor.ref,
            actor_name=shown(actor),
        )
    event = StoryAssigned(subject=story.ref, story=story.reference, assignee=person, name=story.assignee_name)
    record(event, actor=actor, before=before, after={"assignee": person})
    return story


def set_watch(*, actor: Actor, item: Story | Task, watching: bool) -> None:
    """Follow a story or a task, or stop. Raises `Denied` for whoever is no person."""
    story, task = (item.story, item) if isinstance(item, Task) else (item, None)
    _watch(actor=actor, story=story, task=task, watching=watching)


@governed("story.watch", lock="story")
def _watch(*, actor: Actor, story: Story, task: Task | None, watching: bool) -> None:
    if not actor.is_person:
        raise Denied("Only people follow stories; agents are woken by events.")
    watch, made = Watch.objects.get_or_create(story=story, task=task, person=actor.ref, defaults={"wanted": watching})
    if not made and watch.wanted != watching:
        watch.wanted, watch.created_at = watching, Now()
        watch.save(update_fields=["wanted", "created_at"])
    item = task or story
    record(WatchSet(subject=item.ref, item=item.reference, watching=watching), actor=actor)


@governed("inbox.read", lock=None)
def read_notices(*, actor: Actor, notice: int | None = None) -> int:
    """Mark one line of one's own inbox as read, or all of them; how many that were. Raises `NotFound` for another's."""
    if notice is not None and not Notice.objects.filter(person=actor.ref, pk=notice).exists():
        raise NotFound("There is no such line in your inbox.")
    unread = Notice.objects.filter(person=actor.ref, read_at=None)
    count = (unread.filter(pk=notice) if notice is not None else unread).update(read_at=Now())
    record(NoticesRead(subject=actor.ref, count=count), actor=actor)
    return count
