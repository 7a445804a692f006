"""A project that goes from one client to another, or to none, takes nothing along that the first one was shown or said."""

from collections.abc import Collection

from guildhall.kernel.actions import record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from workflows.actions.common import save
from workflows.events import StoryEdited
from workflows.models import Attachment, Comment, Project, Story


def hold_stories(project: Project) -> frozenset[int]:
    """Lock the project's stories, before the project itself is; their ids.

    Whoever comments on one of them holds its row, so nothing is added between this and the other client.
    """
    stories = Story.objects.select_for_update(no_key=True).filter(project=project)
    return frozenset(stories.order_by("id").values_list("pk", flat=True))


def take_from_client(project: Project, actor: Actor, *, hide: bool, held: Collection[int]) -> dict[str, int]:
    """Hide what the project's client sees, in an action that holds its stories and its own row; how much of what that was.

    Raises `Conflict` when there is any and it is not to be hidden, and when a story was written since they were `held`.
    Comments and files of stories that are hidden already count too: they would come back with their story.
    """
    stories = list(Story.objects.filter(project=project).order_by("id"))
    if any(story.pk not in held for story in stories):
        raise Conflict(f"A story of {project.key} was written at this moment. Send it once more.")
    visible = [story for story in stories if story.client_visible]
    comments = Comment.objects.filter(story__project=project, client_visible=True)
    files = Attachment.objects.filter(story__project=project, client_visible=True)
    shown = {"stories": len(visible), "comments": comments.count(), "files": files.count()}
    if any(shown.values()) and not hide:
        raise Conflict(
            f"{project.client} was shown {', '.join(f'{count} {what}' for what, count in shown.items())} of {project.key}, "
            "which the next client would read. Have them hidden with this change, or keep the client."
        )
    comments.update(client_visible=False)
    files.update(client_visible=False)
    for story in visible:
        story.client_visible = False
        save(story, "client_visible")
        event = StoryEdited(subject=story.ref, story=story.reference, fields=["client_visible"], score=story.dor_score)
        record(event, actor=actor, before={"client_visible": True}, after={"client_visible": False}, step="story.edit")
    return shown
