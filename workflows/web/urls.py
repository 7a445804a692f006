"""Routes of stories and tasks on a tenant's host."""

from django.urls import path

from workflows.web import apis, comfort_urls, plan_urls, references, task_apis  # noqa: F401  references registers the converters

api_urlpatterns = [
    *comfort_urls.api_urlpatterns,
    *plan_urls.api_urlpatterns,
    path("stories/", apis.StoriesView.as_view(), name="api-stories"),
    path("stories/<story:reference>/", apis.StoryView.as_view(), name="api-story"),
    path("stories/<story:reference>/transitions/", apis.StoryTransitionsView.as_view(), name="api-story-transitions"),
    path("stories/<story:reference>/activity/", apis.StoryActivityView.as_view(), name="api-story-activity"),
    path("stories/<story:reference>/proposal/", apis.StoryProposalView.as_view(), name="api-story-proposal"),
    path("stories/<story:reference>/tasks/", apis.StoryTasksView.as_view(), name="api-story-tasks"),
    path("stories/<story:reference>/tasks/order/", apis.StoryTaskOrderView.as_view(), name="api-story-task-order"),
    path("tasks/", task_apis.TasksView.as_view(), name="api-tasks"),
    path("tasks/<task:reference>/", task_apis.TaskView.as_view(), name="api-task"),
    path("tasks/<task:reference>/transitions/", task_apis.TaskTransitionsView.as_view(), name="api-task-transitions"),
    path("tasks/<task:reference>/renew/", task_apis.TaskRenewView.as_view(), name="api-task-renew"),
    path("tasks/<task:reference>/activity/", task_apis.TaskActivityView.as_view(), name="api-task-activity"),
]
