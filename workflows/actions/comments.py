"""Talking about stories and tasks: written, mended and taken back by whoever wrote it; whoever is named is told."""

from collections.abc import Iterable

from django.db.models import F
from django.db.models.functions import Now

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid
from guildhall.kernel.versions import check_version
from workflows.actions.common import named, shown
from workflows.comfort_events import CommentDeleted, CommentEdited, CommentWritten
from workflows.models import Comment, Notice, NoticeKind, Story, Task, Watch
from workflows.policies import sees_all
from workflows.selectors.people import members_who_see, mentioned_in

LONGEST = 20_000


def write_comment(*, actor: Actor, item: Story | Task, text: str, client_visible: bool = False) -> Comment:
    """Say something about a story or a task; whoever is mentioned or follows it is told. Raises `Invalid`.

    A client's comment is always one that clients see; a comment on what is hidden from clients never is.
    """
    story, task = (item.story, item) if isinstance(item, Task) else (item, None)
    return _write(actor=actor, story=story, task=task, text=text, client_visible=client_visible)


@governed("comment.write", lock="story")
def _write(*, actor: Actor, story: Story, task: Task | None, text: str, client_visible: bool) -> Comment:
    text = _checked(text)
    told = mentioned_in(actor, text)
    comment = Comment.objects.create(
        story=story,
        task=task,
        text=text,
        author=actor.ref,
        author_name=shown(actor),
        mentions=[who.ref for who in told],
        client_visible=_for_clients(actor, story, client_visible),
    )
    _follow(comment, [actor.ref, *comment.mentions])
    _tell(comment, actor)
    item = comment.item
    event = CommentWritten(
        subject=item.ref,
        item=item.reference,
        comment=comment.pk,
        mentions=comment.mentions,
        client_visible=comment.client_visible,
    )
    record(event, actor=actor, after={"text": text})
    return comment


@governed("comment.edit", lock="comment")
def edit_comment(
    *, actor: Actor, comment: Comment, text: str, version: int | None = None, client_visible: bool | None = None
) -> Comment:
    """Mend one's own comment; what it said before is kept in the audit. People named anew are told.

    Raises `Denied` for another's comment, `Stale`, and `Invalid` for the text.
    """
    _refuse_others(actor, comment, "edits")
    check_version(comment, version)
    before, known = named(comment, "text", "client_visible"), set(comment.mentions)
    comment.text = _checked(text)
    comment.mentions = [who.ref for who in mentioned_in(actor, comment.text)]
    if client_visible is not None:
        comment.client_visible = _for_clients(actor, comment.story, client_visible)
    comment.version, comment.edited_at = F("version") + 1, Now()
    comment.save(update_fields=["text", "mentions", "client_visible", "version", "edited_at"])
    comment.refresh_from_db()
    _follow(comment, comment.mentions)
    _tell(comment, actor, only=set(comment.mentions) - known)
    event = CommentEdited(subject=comment.item.ref, item=comment.item.reference, comment=comment.pk)
    record(event, actor=actor, before=before, after=named(comment, "text", "client_visible"))
    return comment


@governed("comment.delete", lock="comment")
def delete_comment(*, actor: Actor, comment: Comment) -> None:
    """Take one's own comment back, or as an admin anybody's. The audit keeps what it said. Raises `Denied`."""
    if not actor.has_role("admin"):
        _refuse_others(actor, comment, "deletes")
    item, key, text = comment.item, comment.pk, comment.text
    comment.delete()
    record(CommentDeleted(subject=item.ref, item=item.reference, comment=key), actor=actor, before={"text": text})


def _refuse_others(actor: Actor, comment: Comment, verb: str) -> None:
    if comment.author != actor.ref:
        raise Denied(f"Only {comment.author_name} {verb} this comment.")


def _checked(text: str) -> str:
    text = text.replace("\0", "").replace("\r\n", "\n").strip()
    if not text:
        raise Invalid("The comment says nothing.", fields={"text": ["Say something."]})
    if len(text) > LONGEST:
        problem = f"At most {LONGEST} characters; this has {len(text)}."
        raise Invalid(problem, fields={"text": [problem]})
    return text


def _for_clients(actor: Actor, story: Story, wanted: bool) -> bool:
    if not sees_all(actor):
        return True
    if wanted and not story.client_visible:
        raise Conflict("The story is not visible to the client, so a comment on it cannot be.")
    return wanted


def _follow(comment: Comment, refs: Iterable[str]) -> None:
    """Make these people watchers of the story; who said that they do not want to stays out."""
    seeing = members_who_see(comment.story, refs, client_visible=comment.client_visible)
    rows = [Watch(story=comment.story, person=ref) for ref in sorted(seeing)]
    Watch.objects.bulk_create(rows, ignore_conflicts=True)


def _tell(comment: Comment, actor: Actor, only: set[str] | None = None) -> None:
    """A line in the inbox of whoever is mentioned and of those who follow, the writer left out."""
    mentioned = set(comment.mentions) if only is None else only
    following: set[str] = set()
    if only is None:
        watches = Watch.objects.filter(story=comment.story, wanted=True)
        following = set(watches.filter(task__isnull=True).values_list("person", flat=True))
        if comment.task_id:
            following |= set(watches.filter(task=comment.task_id).values_list("person", flat=True))
    seeing = members_who_see(comment.story, mentioned | following, client_visible=comment.client_visible)
    Notice.objects.bulk_create(
        Notice(
            person=ref,
            kind=NoticeKind.MENTION if ref in mentioned else NoticeKind.COMMENT,
            story=comment.story,
            task=comment.task,
            comment=comment,
            sentence=f"{'mentioned you' if ref in mentioned else 'commented'} on {comment.item}"[:300],
            actor=actor.ref,
            actor_name=shown(actor),
        )
        for ref in sorted(seeing - {actor.ref})
    )
