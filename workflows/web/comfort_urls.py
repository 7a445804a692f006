"""Routes of what lies beside stories and tasks, on a tenant's host."""

from django.urls import path

from workflows.web import comfort_apis as apis
from workflows.web import references as _references  # noqa: F401  registers the converters

ITEMS = ("stories/<story:reference>/", "story"), ("tasks/<task:reference>/", "task")

api_urlpatterns = [
    path("stories/bulk/", apis.StoryBulkView.as_view(), name="api-stories-bulk"),
    path("stories/export/", apis.StoryExportView.as_view(), name="api-stories-export"),
    path("stories/<story:reference>/assignee/", apis.AssigneeView.as_view(), name="api-story-assignee"),
    path("comments/<int:pk>/", apis.CommentView.as_view(), name="api-comment"),
    path("labels/", apis.LabelsView.as_view(), name="api-labels"),
    path("labels/<int:pk>/", apis.LabelView.as_view(), name="api-label"),
    path("labels/<int:pk>/merge/", apis.LabelMergeView.as_view(), name="api-label-merge"),
    path("attachments/<int:pk>/", apis.AttachmentView.as_view(), name="api-attachment"),
    path("attachments/<int:pk>/content/", apis.AttachmentContentView.as_view(), name="api-attachment-content"),
    path("inbox/", apis.InboxView.as_view(), name="api-inbox"),
    path("inbox/read/", apis.InboxReadView.as_view(), name="api-inbox-read"),
    path("filters/", apis.FiltersView.as_view(), name="api-filters"),
    path("filters/<int:pk>/", apis.FilterView.as_view(), name="api-filter"),
    path("mentions/", apis.MentionsView.as_view(), name="api-mentions"),
    *(path(f"{base}comments/", apis.CommentsView.as_view(), name=f"api-{name}-comments") for base, name in ITEMS),
    *(path(f"{base}labels/", apis.ItemLabelsView.as_view(), name=f"api-{name}-labels") for base, name in ITEMS),
    *(path(f"{base}watch/", apis.WatchView.as_view(), name=f"api-{name}-watch") for base, name in ITEMS),
    *(
        path(f"{base}attachments/", apis.AttachmentsView.as_view(), name=f"api-{name}-attachments")
        for base, name in ITEMS
    ),
]
