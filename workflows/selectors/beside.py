"""What lies beside stories and tasks, from what the actor may see: clients see what is marked for them."""

from typing import TypeVar

from django.db.models import Q, QuerySet

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound
from workflows.models import Attachment, Comment, Label, Notice, SavedFilter, Story, Task, Watch
from workflows.policies import sees_all
from workflows.selectors.lists import find_story, find_task, stories_visible_to

Row = TypeVar("Row", Comment, Attachment)


def find_item(actor: Actor, reference: str) -> Story | Task:
    """The story or, with a dot in the reference, the task. Raises `NotFound`."""
    return find_task(actor, reference) if "." in reference else find_story(actor, reference)


def comments_visible_to(actor: Actor) -> QuerySet[Comment]:
    """Comments that the actor may read, with what they are about."""
    comments = Comment.objects.select_related("story__project", "task")
    if sees_all(actor):
        return comments
    return comments.filter(client_visible=True, story__in=stories_visible_to(actor).values("pk"))


def comments_on(actor: Actor, item: Story | Task) -> QuerySet[Comment]:
    """Comments on a story itself, or on a task, in the order of their writing."""
    return _of(comments_visible_to(actor), item).order_by("id")


def find_comment(actor: Actor, pk: int) -> Comment:
    """A comment. Raises `NotFound`, whether it is missing or not the actor's to read."""
    row = comments_visible_to(actor).filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such comment.")
    return row


def attachments_visible_to(actor: Actor) -> QuerySet[Attachment]:
    """Files that the actor may have."""
    files = Attachment.objects.select_related("story__project", "task")
    if sees_all(actor):
        return files
    return files.filter(client_visible=True, story__in=stories_visible_to(actor).values("pk"))


def attachments_of(actor: Actor, item: Story | Task) -> QuerySet[Attachment]:
    """Files beside a story itself, or a task."""
    return _of(attachments_visible_to(actor), item).order_by("id")


def find_attachment(actor: Actor, pk: int) -> Attachment:
    """A file. Raises `NotFound`, whether it is missing or not the actor's to have."""
    row = attachments_visible_to(actor).filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such file.")
    return row


def _of(rows: QuerySet[Row], item: Story | Task) -> QuerySet[Row]:
    return rows.filter(task=item) if isinstance(item, Task) else rows.filter(story=item, task__isnull=True)


def is_watching(actor: Actor, item: Story | Task) -> bool:
    """Whether the actor follows it."""
    story, task = (item.story_id, item.pk) if isinstance(item, Task) else (item.pk, None)
    return Watch.objects.filter(story=story, task=task, person=actor.ref, wanted=True).exists()


def labels_visible_to(actor: Actor) -> QuerySet[Label]:
    """The tenant's labels; they are inside talk, so none for clients."""
    return Label.objects.order_by("name") if sees_all(actor) else Label.objects.none()


def find_label(actor: Actor, pk: int) -> Label:
    """A label. Raises `NotFound`."""
    row = labels_visible_to(actor).filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such label.")
    return row


def inbox_of(actor: Actor) -> QuerySet[Notice]:
    """The actor's own lines, newest first; what it may see no more is left out."""
    notices = (
        Notice.objects.filter(person=actor.ref).select_related("story", "strategy", "task", "comment").order_by("-id")
    )
    if sees_all(actor):
        return notices
    readable = Q(comment__isnull=True) | Q(comment__client_visible=True)
    return notices.filter(readable, story__in=stories_visible_to(actor).values("pk"))


def filters_visible_to(actor: Actor) -> QuerySet[SavedFilter]:
    """One's own filters, and for members of the team those that are shared."""
    shared = Q(shared=True) if sees_all(actor) else Q(pk__in=[])
    return SavedFilter.objects.filter(Q(owner=actor.ref) | shared).order_by("name", "pk")


def find_filter(actor: Actor, pk: int) -> SavedFilter:
    """A filter. Raises `NotFound`."""
    row = filters_visible_to(actor).filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such filter.")
    return row
