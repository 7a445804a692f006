"""Addresses of the pages of stories and tasks."""

from django.urls import path

from workflows.web import pages, references, writing  # noqa: F401  references registers the converters

urlpatterns = [
    path("stories/", pages.stories, name="stories"),
    path("stories/new/", writing.new_story, name="story-new"),
    path("stories/<story:reference>/", pages.story, name="story"),
    path("stories/<story:reference>/edit/", writing.edit, name="story-edit"),
    path("tasks/<task:reference>/", pages.task, name="task"),
]
