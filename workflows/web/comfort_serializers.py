"""What the API takes and says about comments, labels, files, watching, the inbox and kept filters."""

from typing import Any, ClassVar

from rest_framework import serializers

from workflows.actions.bulk import DOINGS, MOST
from workflows.models import Attachment, Comment, Label, Notice, SavedFilter
from workflows.models.attachment import MAX_BYTES
from workflows.models.label import COLOURS
from workflows.policies import COMFORT
from workflows.selectors.filters import SHOWS
from workflows.web.inputs import StoryQuery, number, text
from workflows.web.references import STORY


class CommentAnswer(serializers.ModelSerializer[Comment]):
    """`allowed_actions` are what the caller may do with it; the text is Markdown as it was typed."""

    story = serializers.CharField(source="story.reference")
    task = serializers.CharField(source="task.reference", default=None, allow_null=True)
    mentions = serializers.ListField(child=serializers.CharField())
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = Comment
        fields: ClassVar = [
            "id",
            "story",
            "task",
            "text",
            "author",
            "author_name",
            "mentions",
            "client_visible",
            "version",
            "edited_at",
            "created_at",
            "allowed_actions",
        ]

    def get_allowed_actions(self, comment: Comment) -> list[str]:
        actor = self.context["actor"]
        mine = comment.author == actor.ref and actor.has_role(*COMFORT["comment.edit"])
        return [*(["edit"] if mine else []), *(["delete"] if mine or actor.has_role("admin") else [])]


class CommentBody(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=20_000, help_text="Markdown; @handle mentions a person or an agent.")
    client_visible = serializers.BooleanField(default=False, help_text="A client's own comments always are.")


class LabelAnswer(serializers.ModelSerializer[Label]):
    colour = serializers.ChoiceField(COLOURS)

    class Meta:
        model = Label
        fields: ClassVar = ["id", "name", "colour", "version", "created_at"]


class LabelBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=40)
    colour = serializers.ChoiceField(COLOURS, default="idle", help_text="A tone or a series colour.")


class MergeBody(serializers.Serializer[Any]):
    into = number(help_text="The label that takes its place.")


class LabelsBody(serializers.Serializer[Any]):
    labels = serializers.ListField(child=number(), max_length=20, help_text="Ids; exactly these are on it afterwards.")


class AssigneeBody(serializers.Serializer[Any]):
    assignee = serializers.CharField(max_length=160, allow_blank=True, help_text="Such as person:ab12; empty: nobody.")


class WatchBody(serializers.Serializer[Any]):
    watching = serializers.BooleanField()


class AttachmentAnswer(serializers.ModelSerializer[Attachment]):
    story = serializers.CharField(source="story.reference")
    task = serializers.CharField(source="task.reference", default=None, allow_null=True)

    class Meta:
        model = Attachment
        fields: ClassVar = [
            "id",
            "story",
            "task",
            "name",
            "size",
            "media_type",
            "sha256",
            "author",
            "author_name",
            "client_visible",
            "created_at",
        ]


class AttachmentBody(serializers.Serializer[Any]):
    file = serializers.FileField(max_length=1000, help_text=f"At most {MAX_BYTES // 1024**2} MiB.")
    client_visible = serializers.BooleanField(default=False)


class NoticeAnswer(serializers.ModelSerializer[Notice]):
    story = serializers.CharField(
        source="story.reference", default=None, allow_null=True, help_text="Null where it is about a strategy."
    )
    strategy = serializers.IntegerField(source="strategy_id", allow_null=True)
    task = serializers.CharField(source="task.reference", default=None, allow_null=True)
    comment = serializers.IntegerField(source="comment_id", allow_null=True)

    class Meta:
        model = Notice
        fields: ClassVar = [
            "id",
            "kind",
            "story",
            "strategy",
            "task",
            "comment",
            "sentence",
            "actor",
            "actor_name",
            "read_at",
            "created_at",
        ]


class NoticeQuery(serializers.Serializer[Any]):
    unread = serializers.BooleanField(default=False, help_text="Only lines that have not been read.")


class ReadBody(serializers.Serializer[Any]):
    id = number(allow_null=True, help_text="One line; null: all of them.")


class ReadAnswer(serializers.Serializer[Any]):
    read = serializers.IntegerField(help_text="How many lines were unread.")


class FilterAnswer(serializers.ModelSerializer[SavedFilter]):
    class Meta:
        model = SavedFilter
        fields: ClassVar = ["id", "name", "query", "shared", "owner", "owner_name", "created_at"]


class FilterBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60)
    query = serializers.CharField(max_length=2000, help_text="A query string of the stories' list.")
    shared = serializers.BooleanField(default=False)


class MentionableAnswer(serializers.Serializer[Any]):
    ref = serializers.CharField()
    handle = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField(help_text="person or agent.")


class MentionQuery(serializers.Serializer[Any]):
    q = serializers.CharField(max_length=60, required=False, allow_blank=True, default="", help_text="How it begins.")


class BulkBody(serializers.Serializer[Any]):
    stories = serializers.ListField(child=serializers.RegexField(rf"\A{STORY}\Z"), min_length=1, max_length=MOST)
    do = serializers.ChoiceField(DOINGS)
    value = serializers.CharField(
        max_length=160, help_text="An act, a label's id, a member's reference or none, a priority."
    )
    feedback = text(20_000, default="")
    versions = serializers.DictField(
        child=number(),
        default=dict,
        help_text="The versions that were seen, by reference; what changed since is refused.",
    )


class OutcomeAnswer(serializers.Serializer[Any]):
    """What became of one story; `status` is what the API would have answered to it alone."""

    reference = serializers.CharField()
    done = serializers.BooleanField()
    status = serializers.IntegerField()
    detail = serializers.CharField()


class BulkAnswer(serializers.Serializer[Any]):
    results = OutcomeAnswer(many=True)


class StorySearch(StoryQuery):
    """The stories' list: what the board's address says, with `search` for the words."""

    search = serializers.CharField(
        max_length=200, required=False, help_text="Full text: title, brief, comments; a reference's beginning."
    )
    label = number(required=False, help_text="Only with this label, by id.")  # type: ignore[assignment]
    assignee = serializers.RegexField(
        r"\A(me|none|person:[A-Za-z0-9_-]{1,40})\Z", required=False, help_text="A member's reference, me or none."
    )
    epic = number(required=False)
    sprint = number(required=False)
    priority = serializers.CharField(max_length=8, required=False)
    show = serializers.ChoiceField(SHOWS, required=False, help_text="A quick filter of the board.")


class BeforeQuery(serializers.Serializer[Any]):
    before = number(required=False, help_text="The id of the last entry of the page before.")


class ExportedStory(serializers.Serializer[Any]):
    reference = serializers.CharField()
    title = serializers.CharField()
    project = serializers.CharField()
    state = serializers.CharField()
    size = serializers.CharField()
    priority = serializers.CharField()
    dor_score = serializers.IntegerField()
    author = serializers.CharField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
    epic = serializers.CharField(required=False, help_text="This and what follows is not for clients.")
    sprint = serializers.CharField(required=False)
    assignee = serializers.CharField(required=False)
    labels = serializers.ListField(child=serializers.CharField(), required=False)
    client_visible = serializers.BooleanField(required=False)
    budget_usd = serializers.CharField(required=False, help_text="US dollars; empty without a budget.")
