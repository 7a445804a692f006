"""Addresses of what lies beside stories and tasks, and of what people keep."""

from django.urls import path

from workflows.web import beside, board, bulk, export, inbox, keeping, tasking
from workflows.web import references as _references  # noqa: F401  registers the converters

ITEMS = ("stories/<story:reference>/", "story"), ("tasks/<task:reference>/", "task")

urlpatterns = [
    path("waiting/", inbox.waiting, name="waiting"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("mentions/", inbox.mentions, name="mentions"),
    path("labels/", keeping.labels, name="labels"),
    path("filters/", keeping.filters, name="filters"),
    path("stories/", board.stories, name="stories"),
    path("stories/bulk/", bulk.bulk, name="stories-bulk"),
    path("stories/export/", export.export, name="stories-export"),
    path("stories/<story:reference>/move/", board.move, name="story-move"),
    path("stories/<story:reference>/assign/", beside.assign, name="story-assign"),
    path("stories/<story:reference>/proposal/", tasking.proposal, name="story-proposal"),
    path("stories/<story:reference>/tasks/new/", tasking.new_task, name="task-new"),
    path("tasks/<task:reference>/edit/", tasking.change_task, name="task-edit"),
    path("comments/<int:pk>/edit/", beside.edit, name="comment-edit"),
    path("comments/<int:pk>/delete/", beside.delete, name="comment-delete"),
    path("files/<int:pk>/", beside.file, name="file"),
    path("files/<int:pk>/delete/", beside.file_delete, name="file-delete"),
    *(path(f"{base}comments/", beside.comments, name=f"{name}-comments") for base, name in ITEMS),
    *(path(f"{base}watch/", beside.watch, name=f"{name}-watch") for base, name in ITEMS),
    *(path(f"{base}labels/", beside.labels, name=f"{name}-labels") for base, name in ITEMS),
    *(path(f"{base}files/", beside.files, name=f"{name}-files") for base, name in ITEMS),
    *(path(f"{base}activity/", inbox.history, name=f"{name}-activity") for base, name in ITEMS),
]
