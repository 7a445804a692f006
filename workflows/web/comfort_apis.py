"""The API of what lies beside stories and tasks: thin callers of the governed actions."""

from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from guildhall.api.conditional import IF_MATCH, SEEN, required_version, seen_version
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import ListView, View, answer
from workflows.actions.attachments import attach, delete_attachment
from workflows.actions.bulk import do_to_many
from workflows.actions.comments import delete_comment, edit_comment, write_comment
from workflows.actions.following import assign_story, read_notices, set_watch
from workflows.actions.labels import create_label, delete_label, edit_label, set_labels
from workflows.actions.saved import delete_filter, save_filter
from workflows.models import Attachment, Comment, Label, Notice, SavedFilter
from workflows.selectors import beside, find_story
from workflows.selectors.people import suggestions
from workflows.web import comfort_serializers as kinds
from workflows.web.apis import story_answer, story_filter
from workflows.web.beside import sent_file
from workflows.web.export import FORMATS, download
from workflows.web.serializers import StoryAnswer

BYTES = OpenApiResponse(OpenApiTypes.BINARY, description="The file, as a download.")


class CommentsView(ListView[Comment]):
    """Comments on a story, or on a task, newest first."""

    serializer_class = kinds.CommentAnswer
    queryset = Comment.objects.none()

    def get_queryset(self) -> Any:
        item = beside.find_item(self.actor, self.kwargs["reference"])
        return beside.comments_on(self.actor, item).order_by("-id")

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "actor": self.actor}

    @extend_schema(request=kinds.CommentBody, responses={201: kinds.CommentAnswer})
    def post(self, request: Request, reference: str) -> Response:
        """Say something. Whoever is mentioned, and may see it, is told and follows the story."""
        item = beside.find_item(self.actor, reference)
        made = write_comment(actor=self.actor, item=item, **checked(kinds.CommentBody, request))
        return _comment(self, made.pk, 201)


class CommentView(View):
    @extend_schema(responses=kinds.CommentAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One comment. The ETag is for editing it."""
        return _comment(self, pk)

    @extend_schema(request=kinds.CommentBody, responses=kinds.CommentAnswer, parameters=[IF_MATCH])
    def patch(self, request: Request, pk: int) -> Response:
        """Mend one's own comment. If-Match is required."""
        comment = beside.find_comment(self.actor, pk)
        version = required_version(request)
        given = checked(kinds.CommentBody, request, partial=True)
        edit_comment(
            actor=self.actor,
            comment=comment,
            text=given.get("text", comment.text),
            version=version,
            client_visible=given.get("client_visible"),
        )
        return _comment(self, pk)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Take one's own comment back; an admin anybody's."""
        delete_comment(actor=self.actor, comment=beside.find_comment(self.actor, pk))
        return Response(status=204)


def _comment(view: View, pk: int, status: int = 200) -> Response:
    found = beside.find_comment(view.actor, pk)
    body = kinds.CommentAnswer(found, context={"actor": view.actor})
    return answer(body, status=status, version=found.version)


class LabelsView(ListView[Label]):
    """The tenant's labels."""

    serializer_class = kinds.LabelAnswer
    queryset = Label.objects.none()

    def get_queryset(self) -> Any:
        return beside.labels_visible_to(self.actor)

    @extend_schema(request=kinds.LabelBody, responses={201: kinds.LabelAnswer})
    def post(self, request: Request) -> Response:
        """Make a label."""
        made = create_label(actor=self.actor, **checked(kinds.LabelBody, request))
        return _label(self, made.pk, 201)


class LabelView(View):
    @extend_schema(responses=kinds.LabelAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One label. The ETag is for editing it."""
        return _label(self, pk)

    @extend_schema(request=kinds.LabelBody, responses=kinds.LabelAnswer, parameters=[IF_MATCH])
    def patch(self, request: Request, pk: int) -> Response:
        """Rename or recolour a label. If-Match is required."""
        label = beside.find_label(self.actor, pk)
        version = required_version(request)
        given = checked(kinds.LabelBody, request, partial=True)
        name, colour = given.get("name", label.name), given.get("colour", label.colour)
        edit_label(actor=self.actor, label=label, name=name, colour=colour, version=version)
        return _label(self, pk)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a label; it comes off wherever it is."""
        delete_label(actor=self.actor, label=beside.find_label(self.actor, pk))
        return Response(status=204)


class LabelMergeView(View):
    @extend_schema(request=kinds.MergeBody, responses=kinds.LabelAnswer)
    def post(self, request: Request, pk: int) -> Response:
        """Put another label wherever this one is, and delete this one."""
        label = beside.find_label(self.actor, pk)
        into = beside.find_label(self.actor, checked(kinds.MergeBody, request)["into"])
        delete_label(actor=self.actor, label=label, into=into)
        return _label(self, into.pk)


def _label(view: View, pk: int, status: int = 200) -> Response:
    found = beside.find_label(view.actor, pk)
    return answer(kinds.LabelAnswer(found), status=status, version=found.version)


class ItemLabelsView(View):
    @extend_schema(request=kinds.LabelsBody, responses=kinds.LabelAnswer(many=True), parameters=[SEEN])
    def put(self, request: Request, reference: str) -> Response:
        """Put exactly these labels on a story or task, whose version rises with it."""
        item = beside.find_item(self.actor, reference)
        wanted = set(checked(kinds.LabelsBody, request)["labels"])
        chosen = [beside.find_label(self.actor, pk) for pk in sorted(wanted)]
        present = list(item.labels.all())
        add = [label for label in chosen if label not in present]
        remove = [label for label in present if label not in chosen]
        set_labels(actor=self.actor, item=item, add=add, remove=remove, version=seen_version(request))
        item.refresh_from_db(fields=["version"])
        return answer(kinds.LabelAnswer(item.labels.order_by("name"), many=True), version=item.version)


class AssigneeView(View):
    @extend_schema(request=kinds.AssigneeBody, responses=StoryAnswer)
    def put(self, request: Request, reference: str) -> Response:
        """Make a member responsible for a story, or nobody. If-Match, where given, must be the present version."""
        story = find_story(self.actor, reference)
        person = checked(kinds.AssigneeBody, request)["assignee"]
        return story_answer(
            self, assign_story(actor=self.actor, story=story, person=person, version=seen_version(request))
        )


class WatchView(View):
    @extend_schema(request=kinds.WatchBody, responses=kinds.WatchBody)
    def put(self, request: Request, reference: str) -> Response:
        """Follow a story or a task, or stop."""
        item = beside.find_item(self.actor, reference)
        set_watch(actor=self.actor, item=item, **checked(kinds.WatchBody, request))
        return answer(kinds.WatchBody({"watching": beside.is_watching(self.actor, item)}))


class AttachmentsView(ListView[Attachment]):
    """Files beside a story, or beside a task, newest first."""

    serializer_class = kinds.AttachmentAnswer
    queryset = Attachment.objects.none()
    parser_classes = (MultiPartParser,)

    def get_queryset(self) -> Any:
        item = beside.find_item(self.actor, self.kwargs["reference"])
        return beside.attachments_of(self.actor, item).order_by("-id")

    @extend_schema(request={"multipart/form-data": kinds.AttachmentBody}, responses={201: kinds.AttachmentAnswer})
    def post(self, request: Request, reference: str) -> Response:
        """Put a file beside it. What it is, is told from its first bytes."""
        item = beside.find_item(self.actor, reference)
        given = checked(kinds.AttachmentBody, request)
        sent = given["file"]
        made = attach(
            actor=self.actor, item=item, name=sent.name, data=sent.read(), client_visible=given["client_visible"]
        )
        return answer(kinds.AttachmentAnswer(beside.find_attachment(self.actor, made.pk)), status=201)


class AttachmentView(View):
    @extend_schema(responses=kinds.AttachmentAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """What is known of a file."""
        return answer(kinds.AttachmentAnswer(beside.find_attachment(self.actor, pk)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Delete one's own file; an admin or product owner any."""
        delete_attachment(actor=self.actor, attachment=beside.find_attachment(self.actor, pk))
        return Response(status=204)


class AttachmentContentView(View):
    @extend_schema(responses={(200, "application/octet-stream"): BYTES})
    def get(self, request: Request, pk: int) -> FileResponse:
        """The file itself, as a download that no browser renders."""
        return sent_file(beside.find_attachment(self.actor, pk))


class InboxView(ListView[Notice]):
    serializer_class = kinds.NoticeAnswer
    queryset = Notice.objects.none()

    def get_queryset(self) -> Any:
        unread = checked_query(kinds.NoticeQuery, self.request)["unread"]
        return beside.inbox_of(self.actor).filter(**({"read_at": None} if unread else {}))

    @extend_schema(parameters=[kinds.NoticeQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What the caller has been told, newest first."""
        return super().get(request, *args, **kwargs)


class InboxReadView(View):
    @extend_schema(request=kinds.ReadBody, responses=kinds.ReadAnswer)
    def post(self, request: Request) -> Response:
        """Mark one line of one's own inbox as read, or all."""
        count = read_notices(actor=self.actor, notice=checked(kinds.ReadBody, request)["id"])
        return answer(kinds.ReadAnswer({"read": count}))


class FiltersView(ListView[SavedFilter]):
    """The caller's kept filters, and those that members of the team share."""

    serializer_class = kinds.FilterAnswer
    queryset = SavedFilter.objects.none()

    def get_queryset(self) -> Any:
        return beside.filters_visible_to(self.actor)

    @extend_schema(request=kinds.FilterBody, responses={201: kinds.FilterAnswer})
    def post(self, request: Request) -> Response:
        """Keep a filter; what means nothing in the query string is left out."""
        made = save_filter(actor=self.actor, **checked(kinds.FilterBody, request))
        return answer(kinds.FilterAnswer(beside.find_filter(self.actor, made.pk)), status=201)


class FilterView(View):
    @extend_schema(responses=kinds.FilterAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One kept filter."""
        return answer(kinds.FilterAnswer(beside.find_filter(self.actor, pk)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Delete one's own filter; an admin a shared one."""
        delete_filter(actor=self.actor, saved=beside.find_filter(self.actor, pk))
        return Response(status=204)


class MentionsView(View):
    @extend_schema(parameters=[kinds.MentionQuery], responses=kinds.MentionableAnswer(many=True))
    def get(self, request: Request) -> Response:
        """Up to eight people and agents whose handle or name begins like this."""
        begun = checked_query(kinds.MentionQuery, request)["q"]
        return answer(kinds.MentionableAnswer(suggestions(self.actor, begun), many=True))


class StoryBulkView(View):
    @extend_schema(request=kinds.BulkBody, responses=kinds.BulkAnswer)
    def post(self, request: Request) -> Response:
        """Do one thing to up to 100 stories. Each has an outcome of its own; one refusal stops nothing else."""
        given = checked(kinds.BulkBody, request)
        outcomes = do_to_many(actor=self.actor, references=given.pop("stories"), **given)
        return answer(kinds.BulkAnswer({"results": outcomes}))


class StoryExportView(View):
    @extend_schema(
        parameters=[kinds.StorySearch, OpenApiParameter("as", str, enum=list(FORMATS), default="csv")],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/json"): kinds.ExportedStory(many=True)},
    )
    def get(self, request: Request) -> Any:
        """All stories that the filter keeps, as a file."""
        return download(self.actor, story_filter(request), request.query_params.get("as", "csv"))
