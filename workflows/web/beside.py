"""What lies beside a story or a task on its page: comments, files, labels, who is responsible, who follows."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound, TooLarge
from guildhall.portal.markdown import render_markdown
from guildhall.portal.registry import Party, parties
from guildhall.portal.views import PageRequest, form_page, page
from workflows.actions.attachments import attach, delete_attachment
from workflows.actions.comments import delete_comment, edit_comment, write_comment
from workflows.actions.following import assign_story, set_watch
from workflows.actions.labels import set_labels
from workflows.models import Attachment, Comment, Label, Story, Task
from workflows.models.attachment import MAX_BYTES
from workflows.policies import COMFORT, sees_all
from workflows.selectors import find_story
from workflows.selectors.beside import (
    attachments_of,
    comments_on,
    find_attachment,
    find_comment,
    find_item,
    is_watching,
    labels_visible_to,
)
from workflows.selectors.people import assignable, mentionable

SHOWN, MOST_SHOWN = 30, 600


@dataclass(frozen=True, slots=True)
class Said:
    """A comment as pages show it."""

    comment: Comment
    who: Party
    html: SafeString
    mine: bool
    removable: bool


def may(actor: Actor, action: str) -> bool:
    """Whether the actor's roles are named for one of the acts beside the work."""
    return actor.has_role(*COMFORT[action])


def beside(actor: Actor, item: Story | Task, asked: Any) -> dict[str, Any]:
    """What the partials beside a story or task need; `asked` is the address's query."""
    team = sees_all(actor)
    story = item.story if isinstance(item, Task) else item
    found = comments_on(actor, item)
    wanted = asked.get("comments", "")
    most = min(int(wanted), MOST_SHOWN) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 5 else SHOWN
    newest = list(found.order_by("-id")[: most + 1])
    labels = list(item.labels.all()) if team else []
    return {
        "item": item,
        "item_url": address(item),
        "comments": _said(actor, list(reversed(newest[:most]))),
        "earlier": min(most + 2 * SHOWN, MOST_SHOWN) if len(newest) > most and most < MOST_SHOWN else 0,
        "may_comment": may(actor, "comment.write"),
        "may_show_client": team and story.client_visible,
        "files": attachments_of(actor, item),
        "may_attach": may(actor, "attachment.add"),
        "removes_files": actor.has_role("admin", "product_owner"),
        "actor_ref": actor.ref,
        "watching": is_watching(actor, item),
        "labels": labels,
        "label_choices": [(label, label in labels) for label in labels_visible_to(actor)]
        if may(actor, "story.set_labels")
        else [],
        "people": assignable(actor) if may(actor, "story.assign") and isinstance(item, Story) else [],
    }


def _said(actor: Actor, rows: list[Comment]) -> list[Said]:
    names = {who.handle: who.name for who in mentionable(actor)} if any("@" in row.text for row in rows) else {}
    known = parties(row.author for row in rows)
    admin = actor.has_role("admin")
    return [
        Said(
            row,
            Party(row.author, row.author_name, known[row.author].icon),
            render_markdown(row.text, names),
            row.author == actor.ref,
            admin or row.author == actor.ref,
        )
        for row in rows
    ]


def address(item: Story | Task) -> str:
    """The page of a story or a task."""
    return f"/{'tasks' if isinstance(item, Task) else 'stories'}/{item.reference}/"


@form_page
def comments(request: PageRequest, reference: str) -> HttpResponse:
    """Say something about a story or task; a comment that is refused comes back as it was typed."""
    item = find_item(request.actor, reference)
    if request.method != "POST":
        return redirect(f"{address(item)}#comments")
    text, shown = request.POST.get("text", ""), bool(request.POST.get("client_visible"))
    try:
        made = write_comment(actor=request.actor, item=item, text=text, client_visible=shown)
    except NotFound:
        raise
    except GuildhallError as error:
        return _comment_form(request, item, text, shown, problem=error)
    return redirect(f"{address(item)}#comment-{made.pk}")


@form_page
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Mend one's own comment."""
    comment = find_comment(request.actor, pk)
    if request.method != "POST":
        return _comment_form(request, comment.item, comment.text, comment.client_visible, comment=comment)
    sent = request.POST
    text, shown = sent.get("text", ""), bool(sent.get("client_visible"))
    try:
        edit_comment(
            actor=request.actor,
            comment=comment,
            text=text,
            version=_whole(sent.get("version", "")),
            client_visible=shown if sees_all(request.actor) else None,
        )
    except NotFound:
        raise
    except GuildhallError as error:
        return _comment_form(request, comment.item, text, shown, comment=comment, problem=error)
    return redirect(f"{address(comment.item)}#comment-{comment.pk}")


def _comment_form(
    request: PageRequest,
    item: Story | Task,
    text: str,
    shown: bool,
    *,
    comment: Comment | None = None,
    problem: GuildhallError | None = None,
) -> HttpResponse:
    story = item.story if isinstance(item, Task) else item
    context = {
        "item": item,
        "item_url": address(item),
        "comment": comment,
        "text": text,
        "shown": shown,
        "problem": problem,
        "may_show_client": sees_all(request.actor) and story.client_visible,
    }
    return render(request, "workflows/comment.html", context, status=problem.status if problem else 200)


@form_page
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Take a comment back."""
    comment = find_comment(request.actor, pk)
    if request.method == "POST":
        delete_comment(actor=request.actor, comment=comment)
        messages.success(request, "The comment is gone.")
    return redirect(f"{address(comment.item)}#comments")


@form_page
def watch(request: PageRequest, reference: str) -> HttpResponse:
    """Follow a story or a task, or stop."""
    item = find_item(request.actor, reference)
    if request.method == "POST":
        wanted = _chosen(request, "watching", ("yes", "no")) == "yes"
        set_watch(actor=request.actor, item=item, watching=wanted)
        messages.success(request, f"You {'follow' if wanted else 'no longer follow'} {item.reference}.")
    return redirect(address(item))


@form_page
def labels(request: PageRequest, reference: str) -> HttpResponse:
    """Put exactly the chosen labels on a story or task."""
    item = find_item(request.actor, reference)
    if request.method == "POST":
        sent = {_whole(value) for value in request.POST.getlist("label")}
        wanted = list(labels_visible_to(request.actor).filter(pk__in=[pk for pk in sent if pk]))
        # What somebody else put on or took off since the form was shown is neither undone nor done again.
        shown = {_whole(value) for value in request.POST.getlist("shown")}
        present = list(Label.objects.filter(**{"tasks" if isinstance(item, Task) else "stories": item}))
        add = [label for label in wanted if label not in present and label.pk not in shown]
        remove = [label for label in present if label not in wanted and label.pk in shown]
        if add or remove:
            set_labels(actor=request.actor, item=item, add=add, remove=remove)
    return redirect(address(item))


@form_page
def assign(request: PageRequest, reference: str) -> HttpResponse:
    """Make somebody responsible for a story."""
    story = find_story(request.actor, reference)
    if request.method == "POST":
        if "assignee" not in request.POST:
            raise Invalid("Say who.", fields={"assignee": ["Choose a member of the team, or nobody."]})
        version = _whole(request.POST.get("version", ""))
        story = assign_story(actor=request.actor, story=story, person=request.POST["assignee"], version=version)
        messages.success(request, f"{story.assignee_name or 'Nobody'} is responsible for {story.reference} now.")
    return redirect(address(story))


@form_page
def files(request: PageRequest, reference: str) -> HttpResponse:
    """Put a file beside a story or task."""
    item = find_item(request.actor, reference)
    if request.method == "POST":
        sent = request.FILES.get("file")
        if sent is None:
            raise Invalid("There is no file.", fields={"file": ["Choose a file."]})
        if (sent.size or 0) > MAX_BYTES:
            raise TooLarge(f"At most {MAX_BYTES // 1024**2} MiB a file.")
        shown = bool(request.POST.get("client_visible"))
        made = attach(actor=request.actor, item=item, name=sent.name or "", data=sent.read(), client_visible=shown)
        messages.success(request, f"{made.name} is attached.")
    return redirect(f"{address(item)}#files")


@page
def file(request: PageRequest, pk: int) -> HttpResponse:
    """A file as a download that no browser renders."""
    return sent_file(find_attachment(request.actor, pk))  # type: ignore[return-value]


def sent_file(row: Attachment) -> FileResponse:
    """The bytes with their name, never to be shown inside a page. Raises `NotFound` when they are gone."""
    try:
        content = default_storage.open(row.stored)
    except FileNotFoundError:
        raise NotFound("The file is gone.") from None
    answer = FileResponse(content, as_attachment=True, filename=row.name, content_type=row.media_type)
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


@form_page
def file_delete(request: PageRequest, pk: int) -> HttpResponse:
    """Delete a file."""
    row = find_attachment(request.actor, pk)
    item = row.item
    if request.method == "POST":
        delete_attachment(actor=request.actor, attachment=row)
        messages.success(request, f"{row.name} is deleted.")
    return redirect(f"{address(item)}#files")


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _chosen(request: PageRequest, field: str, choices: tuple[str, ...]) -> str:
    value = request.POST.get(field, "")
    if value not in choices:
        problem = f"Choose one of {', '.join(choices)}."
        raise Invalid(problem, fields={field: [problem]})
    return value
