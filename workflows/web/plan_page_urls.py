"""Addresses of the pages of projects, strategies, epics, sprints and decisions."""

from django.urls import path

from workflows.web import decision_pages, epic_pages, project_pages, sprint_pages, strategy_forms, strategy_pages

urlpatterns = [
    path("settings/projects/", project_pages.projects, name="settings-projects"),
    path("settings/projects/new/", project_pages.new_project, name="settings-project-new"),
    path("settings/projects/<project:key>/", project_pages.project, name="settings-project"),
    path("strategies/", strategy_pages.strategies, name="strategies"),
    path("strategies/new/", strategy_forms.new_strategy, name="strategy-new"),
    path("strategies/<int:pk>/", strategy_pages.strategy, name="strategy"),
    path("strategies/<int:pk>/edit/", strategy_forms.edit_strategy, name="strategy-edit"),
    path("strategies/<int:pk>/schedule/", strategy_forms.schedule, name="strategy-schedule"),
    path("epics/new/", strategy_forms.new_epic, name="epic-new"),
    path("epics/<int:pk>/", epic_pages.epic, name="epic"),
    path("epics/<int:pk>/edit/", strategy_forms.edit_epic, name="epic-edit"),
    path("sprints/", sprint_pages.sprints, name="sprints"),
    path("sprints/new/", sprint_pages.new_sprint, name="sprint-new"),
    path("sprints/<int:pk>/", sprint_pages.sprint, name="sprint"),
    path("sprints/<int:pk>/edit/", sprint_pages.edit, name="sprint-edit"),
    path("decisions/", decision_pages.decisions, name="decisions"),
    path("decisions/new/", decision_pages.new_decision, name="decision-new"),
    path("decisions/<int:pk>/", decision_pages.decision, name="decision"),
    path("decisions/<int:pk>/edit/", decision_pages.edit, name="decision-edit"),
]
