"""Routes of projects, strategies, epics, sprints and decisions on a tenant's host."""

from django.urls import path

from workflows.web import activity_apis, plan_apis, references, sprint_apis  # noqa: F401  references registers the converters

api_urlpatterns = [
    path("projects/", plan_apis.ProjectsView.as_view(), name="api-projects"),
    path("projects/<project:key>/", plan_apis.ProjectView.as_view(), name="api-project"),
    path(
        "projects/<project:key>/repositories/",
        plan_apis.ProjectRepositoriesView.as_view(),
        name="api-project-repositories",
    ),
    path(
        "projects/<project:key>/repositories/<str:name>/",
        plan_apis.ProjectRepositoryView.as_view(),
        name="api-project-repository",
    ),
    path("projects/<project:key>/epics/order/", plan_apis.EpicOrderView.as_view(), name="api-epic-order"),
    path("strategies/", plan_apis.StrategiesView.as_view(), name="api-strategies"),
    path("strategies/<int:pk>/", plan_apis.StrategyView.as_view(), name="api-strategy"),
    path(
        "strategies/<int:pk>/transitions/", plan_apis.StrategyTransitionsView.as_view(), name="api-strategy-transitions"
    ),
    path("strategies/<int:pk>/schedule/", plan_apis.StrategyScheduleView.as_view(), name="api-strategy-schedule"),
    path("strategies/<int:pk>/runs/", plan_apis.StrategyRunsView.as_view(), name="api-strategy-runs"),
    path("epics/", plan_apis.EpicsView.as_view(), name="api-epics"),
    path("epics/<int:pk>/", plan_apis.EpicView.as_view(), name="api-epic"),
    path("epics/<int:pk>/transitions/", plan_apis.EpicTransitionsView.as_view(), name="api-epic-transitions"),
    path("epics/<int:pk>/stories/order/", plan_apis.EpicStoryOrderView.as_view(), name="api-epic-story-order"),
    path("sprints/", sprint_apis.SprintsView.as_view(), name="api-sprints"),
    path("sprints/<int:pk>/", sprint_apis.SprintView.as_view(), name="api-sprint"),
    path("sprints/<int:pk>/close/", sprint_apis.SprintCloseView.as_view(), name="api-sprint-close"),
    path("sprints/<int:pk>/burn-down/", sprint_apis.SprintBurnDownView.as_view(), name="api-sprint-burn-down"),
    path("sprints/<int:pk>/stories/", sprint_apis.SprintStoriesView.as_view(), name="api-sprint-stories"),
    path("sprints/<int:pk>/stories/<story:reference>/", sprint_apis.SprintStoryView.as_view(), name="api-sprint-story"),
    *(
        path(
            f"{kind}/<int:pk>/activity/", activity_apis.PlanActivityView.as_view(find=find), name=f"api-{name}-activity"
        )
        for kind, name, find in activity_apis.PLANNED
    ),
    path("decisions/", sprint_apis.DecisionsView.as_view(), name="api-decisions"),
    path("decisions/<int:pk>/", sprint_apis.DecisionView.as_view(), name="api-decision"),
    path("decisions/<int:pk>/verdict/", sprint_apis.DecisionVerdictView.as_view(), name="api-decision-verdict"),
    path("decisions/<int:pk>/supersede/", sprint_apis.DecisionSupersedeView.as_view(), name="api-decision-supersede"),
]
