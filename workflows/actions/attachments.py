"""Files beside stories and tasks. A file is stored before its row is written, and removed after its row is gone."""

import hashlib
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import Sum

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid, TooLarge
from workflows.actions.common import shown
from workflows.comfort_events import FileAttached, FileDeleted
from workflows.file_types import media_type_of, safe_name
from workflows.models import Attachment, Story, Task
from workflows.models.attachment import MAX_BYTES
from workflows.policies import sees_all

FOLDER = "attachments"
MOST_EACH = 50
"""Files of one story, those of its tasks counted."""

MOST_BYTES = 1024 * 1024 * 1024
"""Bytes of all of a tenant's files."""


def attach(*, actor: Actor, item: Story | Task, name: str, data: bytes, client_visible: bool = False) -> Attachment:
    """Put a file beside a story or task. Raises `TooLarge`, `Invalid` for an empty one and `Conflict` for one too many.

    A client's file is always one that clients see.
    """
    story, task = (item.story, item) if isinstance(item, Task) else (item, None)
    if len(data) > MAX_BYTES:
        raise TooLarge(f"At most {MAX_BYTES // 1024**2} MiB a file; this has {len(data) / 1024**2:.1f}.")
    if not data:
        raise Invalid("The file is empty.", fields={"file": ["Choose a file that holds something."]})
    stored = default_storage.save(f"{FOLDER}/{uuid4().hex}", ContentFile(data))
    try:
        return _attach(
            actor=actor,
            story=story,
            task=task,
            name=safe_name(name),
            stored=stored,
            data=data,
            client_visible=client_visible,
        )
    except BaseException:
        default_storage.delete(stored)
        raise


@governed("attachment.add", lock="story")
def _attach(
    *, actor: Actor, story: Story, task: Task | None, name: str, stored: str, data: bytes, client_visible: bool
) -> Attachment:
    if Attachment.objects.filter(story=story).count() >= MOST_EACH:
        raise Conflict(f"{story.reference} has {MOST_EACH} files already; delete one.")
    _one_at_a_time()
    if _used() + len(data) > MOST_BYTES:
        raise Conflict(f"All files together may have {MOST_BYTES // 1024**2} MiB; delete some.")
    if client_visible and not story.client_visible:
        raise Conflict("The story is not visible to the client, so a file beside it cannot be.")
    row = Attachment.objects.create(
        story=story,
        task=task,
        name=name,
        stored=stored,
        size=len(data),
        media_type=media_type_of(data),
        sha256=hashlib.sha256(data).hexdigest(),
        author=actor.ref,
        author_name=shown(actor),
        client_visible=client_visible or not sees_all(actor),
    )
    item = row.item
    event = FileAttached(subject=item.ref, item=item.reference, attachment=row.pk, name=name, size=row.size)
    record(event, actor=actor, after={"sha256": row.sha256, "media_type": row.media_type})
    return row


@governed("attachment.delete", lock="attachment")
def delete_attachment(*, actor: Actor, attachment: Attachment) -> None:
    """Delete one's own file, or as an admin or product owner any. Raises `Denied`. The bytes go once that is told."""
    if attachment.author != actor.ref and not actor.has_role("admin", "product_owner"):
        raise Denied(f"Only {attachment.author_name} deletes this file.")
    item = attachment.item
    event = FileDeleted(
        subject=item.ref,
        item=item.reference,
        attachment=attachment.pk,
        name=attachment.name,
        stored=attachment.stored,
    )
    sha256 = attachment.sha256
    attachment.delete()
    record(event, actor=actor, before={"sha256": sha256})


def _one_at_a_time() -> None:
    """Files of all stories count together: whoever adds one waits here for whoever adds another, and sees it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('guildhall files ' || current_user, 0))")


def _used() -> int:
    return int(Attachment.objects.aggregate(used=Sum("size"))["used"] or 0)
