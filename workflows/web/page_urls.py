"""Addresses of the pages of stories and tasks."""

from django.urls import path

from workflows.web import comfort_page_urls, pages, plan_page_urls, references, writing  # noqa: F401  references registers the converters

urlpatterns = [
    *plan_page_urls.urlpatterns,
    *comfort_page_urls.urlpatterns,
    path("stories/new/", writing.new_story, name="story-new"),
    path("stories/<story:reference>/", pages.story, name="story"),
    path("stories/<story:reference>/edit/", writing.edit, name="story-edit"),
    path("tasks/<task:reference>/", pages.task, name="task"),
]
